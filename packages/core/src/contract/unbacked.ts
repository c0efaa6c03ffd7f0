/**
 * Promises that are false where a guest boots: a template that sets bits the node lacks (T2S and
 * T2A do). A resume changes nothing about them on a CPU that lacks them too.
 */
import { readField } from "../bits.ts";
import { indexEntries, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import { compareText } from "../format/text.ts";
import { isBacked } from "../tables/backing.ts";
import type { CpuType } from "../tables/field.ts";
import { registersOf } from "../profile/profile.ts";
import { wordAt, wordsOf, type Words } from "../profile/state.ts";
import { fieldByName } from "../tables/lookup.ts";
import { fieldsAt } from "../tables/registers.ts";
import { isPromise } from "../tables/masks.ts";

interface Content {
  readonly cpuid: readonly CpuidEntry[];
  readonly msrs: readonly MsrValue[];
}

function stateOf({ cpuid, msrs }: Content): Words {
  return { cpuid: indexEntries(cpuid), registers: registersOf({ msrs, registers: [] }) };
}

/** The promises that some content makes, by name. */
export function promisesOf(content: Content, type: CpuType): Set<string> {
  return promisesBeyond(stateOf(content), stateOf({ cpuid: [], msrs: [] }), type);
}

/** The promises of `guest` that the same register of `node` does not make, by name. */
function promisesBeyond(guest: Words, node: Words, type: CpuType): Set<string> {
  const fields = wordsOf(guest).flatMap(({ place, value }) => {
    const offered = wordAt(node, place) ?? 0n;
    if ((value & ~offered) === 0n) return [];
    return fieldsAt(type, place).filter(
      (field) =>
        isPromise(field.kind) && readField(value, field) !== 0n && readField(offered, field) === 0n,
    );
  });
  return new Set(fields.map(({ name }) => name));
}

/** Names of what `guest` is promised and `node` neither has nor backs, sorted. */
export function unbackedPromises(guest: Content, node: Content, type: CpuType): string[] {
  const beyond = promisesBeyond(stateOf(guest), stateOf(node), type);
  if (beyond.size === 0) return [];
  const offered = promisesOf(node, type);
  const has = (name: string) => offered.has(name);
  return [...beyond]
    .filter((name) => !has(name) && !isBacked(fieldByName(name)?.backedBy ?? [], has))
    .toSorted(compareText);
}
