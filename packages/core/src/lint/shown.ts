/** A CPU as its named fields, read one by one: what a template makes of a node, and the node. */
import { extract32, extract64 } from "../bits.ts";
import { entryKey } from "../cpuid.ts";
import type { GuestView } from "../firecracker/simulate.ts";
import type { CpuidField, MsrField, Vendor } from "../tables/field.ts";
import { fieldByName } from "../tables/lookup.ts";

export interface Shown extends Pick<GuestView, "cpuid" | "msrs"> {
  readonly vendor: Vendor;
}

/** The bits of a field; 0 where its register is not there, or another vendor's. */
export function fieldValue(shown: Shown, field: CpuidField | MsrField): bigint {
  if (!field.vendors.includes(shown.vendor)) return 0n;
  if ("addr" in field) return extract64(shown.msrs.get(field.addr) ?? 0n, field.hi, field.lo);
  const entry = shown.cpuid.get(entryKey(field.leaf, field.subleaf ?? 0));
  return BigInt(extract32(entry?.[field.register] ?? 0, field.hi, field.lo));
}

/** Whether any bit of a field is set; a field of CPUID without the price of a bigint. */
export function isSet(shown: Shown, field: CpuidField | MsrField): boolean {
  if ("addr" in field) return fieldValue(shown, field) !== 0n;
  if (!field.vendors.includes(shown.vendor)) return false;
  const entry = shown.cpuid.get(entryKey(field.leaf, field.subleaf ?? 0));
  return entry !== undefined && extract32(entry[field.register], field.hi, field.lo) !== 0;
}

/** Whether a feature, or a weakness, is set. */
export function hasField(shown: Shown, name: string): boolean {
  const field = fieldByName(name);
  return field !== undefined && isSet(shown, field);
}
