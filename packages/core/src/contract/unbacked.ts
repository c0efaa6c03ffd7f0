/**
 * Promises that are false where a guest boots: a template that sets bits the node lacks (T2S and
 * T2A do). A resume changes nothing about them on a CPU that lacks them too.
 */
import { extract32, extract64 } from "../bits.ts";
import { REGISTERS, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import { compareText } from "../format/text.ts";
import { isBacked } from "../tables/backing.ts";
import type { Vendor } from "../tables/field.ts";
import { cpuidFields, fieldByName, msrFields } from "../tables/lookup.ts";
import { isPromise } from "../tables/masks.ts";

interface Content {
  readonly cpuid: readonly CpuidEntry[];
  readonly msrs: readonly MsrValue[];
}

/** The promises that some content makes, by name. */
function promisesOf({ cpuid, msrs }: Content, vendor: Vendor): Set<string> {
  const fromCpuid = cpuid.flatMap((entry) =>
    REGISTERS.flatMap((register) =>
      cpuidFields(vendor, entry.leaf, entry.subleaf, register).filter(
        ({ kind, hi, lo }) => isPromise(kind) && extract32(entry[register], hi, lo) !== 0,
      ),
    ),
  );
  const fromMsrs = msrs.flatMap(({ addr, value }) =>
    msrFields(vendor, addr).filter(
      ({ kind, hi, lo }) => isPromise(kind) && extract64(value, hi, lo) !== 0n,
    ),
  );
  return new Set([...fromCpuid, ...fromMsrs].map(({ name }) => name));
}

/** Names of what `guest` is promised and `node` neither has nor backs, sorted. */
export function unbackedPromises(guest: Content, node: Content, vendor: Vendor): string[] {
  const offered = promisesOf(node, vendor);
  const has = (name: string) => offered.has(name);
  return [...promisesOf(guest, vendor)]
    .filter((name) => !has(name) && !isBacked(fieldByName(name)?.backedBy ?? [], has))
    .toSorted(compareText);
}
