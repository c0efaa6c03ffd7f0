/** Rows by the names that Linux and QEMU use: theirs differ in case and in the marks between words. */
import type { CpuidField, MsrField, Vendor } from "./field.ts";
import { CPUID_FIELDS, MSR_FIELDS } from "./lookup.ts";

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]/g, "");
}

const byName = new Map<string, (CpuidField | MsrField)[]>();
for (const field of [...CPUID_FIELDS, ...MSR_FIELDS]) {
  // Only single bits are flags; numbers and strings have no such name.
  if (field.hi !== field.lo) continue;
  for (const name of new Set([field.name, ...(field.aka ?? [])].map(plain))) {
    const found = byName.get(name);
    if (found === undefined) byName.set(name, [field]);
    else found.push(field);
  }
}

/**
 * The row that Linux or QEMU means by `name` on a vendor's CPU: where AMD has a bit of its own for
 * what Intel has, such as SSBD, an AMD CPU means AMD's.
 */
export function fieldByForeignName(
  vendor: Vendor,
  name: string,
): CpuidField | MsrField | undefined {
  const own = vendor === "amd" ? byName.get(`amd${plain(name)}`) : undefined;
  const found = own ?? byName.get(plain(name));
  return found?.find(({ vendors }) => vendors.includes(vendor));
}
