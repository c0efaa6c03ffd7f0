/** Rows by the names that Linux and QEMU use: theirs differ in case and in the marks between words. */
import { groupBy } from "../group.ts";
import type { CpuidField, MsrField, Vendor } from "./field.ts";
import { CPUID_FIELDS, MSR_FIELDS } from "./lookup.ts";

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]/g, "");
}

// Only single bits are flags; numbers and strings have no such name.
const named = [...CPUID_FIELDS, ...MSR_FIELDS]
  .filter(({ hi, lo }) => hi === lo)
  .flatMap((field) =>
    [...new Set([field.name, ...(field.aka ?? [])].map(plain))].map((name) => ({ name, field })),
  );
const byName = groupBy(named, ({ name }) => name);

/** The row that Linux or QEMU means by `name`; AMD's own bit where AMD has one, such as SSBD. */
export function fieldByForeignName(
  vendor: Vendor,
  name: string,
): CpuidField | MsrField | undefined {
  const own = vendor === "amd" ? byName.get(`amd${plain(name)}`) : undefined;
  const found = own ?? byName.get(plain(name));
  return found?.find(({ field }) => field.vendors.includes(vendor))?.field;
}
