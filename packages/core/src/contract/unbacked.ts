/**
 * Promises that are false where a guest boots: a template that sets bits the node lacks (T2S and
 * T2A do). A resume changes nothing about them on a CPU that lacks them too.
 */
import { extract32, extract64 } from "../bits.ts";
import { indexEntries, keyOf, REGISTERS, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import { compareText } from "../format/text.ts";
import { isBacked } from "../tables/backing.ts";
import type { CpuType } from "../tables/field.ts";
import { cpuidFields, fieldByName, msrFields } from "../tables/lookup.ts";
import { isPromise } from "../tables/masks.ts";

interface Content {
  readonly cpuid: readonly CpuidEntry[];
  readonly msrs: readonly MsrValue[];
}

/** The promises that some content makes, by name. */
export function promisesOf({ cpuid, msrs }: Content, type: CpuType): Set<string> {
  const fromCpuid = cpuid.flatMap((entry) =>
    REGISTERS.flatMap((register) =>
      cpuidFields(type, entry.leaf, entry.subleaf, register).filter(
        ({ kind, hi, lo }) => isPromise(kind) && extract32(entry[register], hi, lo) !== 0,
      ),
    ),
  );
  const fromMsrs = msrs.flatMap(({ addr, value }) =>
    msrFields(type, addr).filter(
      ({ kind, hi, lo }) => isPromise(kind) && extract64(value, hi, lo) !== 0n,
    ),
  );
  return new Set([...fromCpuid, ...fromMsrs].map(({ name }) => name));
}

/** The promises of `guest` that the same register of `node` does not make, by name. */
function promisesBeyond(guest: Content, node: Content, type: CpuType): Set<string> {
  const names = new Set<string>();
  const entries = indexEntries(node.cpuid);
  for (const entry of guest.cpuid) {
    const own = entries.get(keyOf(entry));
    for (const register of REGISTERS) {
      const offered = own?.[register] ?? 0;
      if ((entry[register] & ~offered) === 0) continue;
      for (const field of cpuidFields(type, entry.leaf, entry.subleaf, register)) {
        const has = (word: number) => extract32(word, field.hi, field.lo) !== 0;
        if (isPromise(field.kind) && has(entry[register]) && !has(offered)) names.add(field.name);
      }
    }
  }
  const values = new Map(node.msrs.map(({ addr, value }) => [addr, value]));
  for (const { addr, value } of guest.msrs) {
    const offered = values.get(addr) ?? 0n;
    if ((value & ~offered) === 0n) continue;
    for (const field of msrFields(type, addr)) {
      const has = (word: bigint) => extract64(word, field.hi, field.lo) !== 0n;
      if (isPromise(field.kind) && has(value) && !has(offered)) names.add(field.name);
    }
  }
  return names;
}

/** Names of what `guest` is promised and `node` neither has nor backs, sorted. */
export function unbackedPromises(guest: Content, node: Content, type: CpuType): string[] {
  const beyond = promisesBeyond(guest, node, type);
  if (beyond.size === 0) return [];
  const offered = promisesOf(node, type);
  const has = (name: string) => offered.has(name);
  return [...beyond]
    .filter((name) => !has(name) && !isBacked(fieldByName(name)?.backedBy ?? [], has))
    .toSorted(compareText);
}
