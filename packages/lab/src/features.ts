/** Features of a guest CPU by name. */
import { entryKey, fieldByName, indexEntries, type CpuidEntry } from "@evenkeel/core";

/** Whether CPUID shows a feature; false for what the tables do not know. */
export function hasFeatureBit(cpuid: readonly CpuidEntry[], feature: string): boolean {
  const field = fieldByName(feature);
  if (field === undefined || !("leaf" in field)) return false;
  const entry = indexEntries(cpuid).get(entryKey(field.leaf, field.subleaf ?? 0));
  return entry !== undefined && ((entry[field.register] >>> field.lo) & 1) === 1;
}
