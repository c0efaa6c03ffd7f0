/** The pool's guest CPU: the bits a plan decides, and their values. */
import { insert32, mask32 } from "../bits.ts";
import { eachRegister, keyOf, type Register } from "../cpuid.ts";
import type { CpuType } from "../tables/field.ts";
import { AARCH32_GROUP, UNCOUNTED_GROUPS } from "../tables/groups.ts";
import { plannedMasks } from "../tables/masks.ts";
import { isPresent, writeField } from "../tables/merge-rules.ts";
import { plannedRegisterMask, type RegisterId } from "../tables/registers.ts";
import type { Bitmap32, WideBitmap } from "../template/template.ts";
import type { EntryPlace, Merged, MergedField } from "./merge.ts";

export interface GuestEntry extends EntryPlace {
  /** Bits outside `mask` are left as each node has them. */
  readonly registers: Readonly<Record<Register, Bitmap32>>;
}

/** An MSR or an aarch64 register; bits outside `mask` are left as each node has them. */
export interface GuestRegister extends WideBitmap {
  readonly id: RegisterId;
}

export interface GuestCpu {
  /** Every entry that some class has; an entry that is not here reads as zero. */
  readonly cpuid: readonly GuestEntry[];
  /** Every register that some class has and a plan decides over, sorted. */
  readonly registers: readonly GuestRegister[];
  /** Names of the features a guest may use, in the order of their addresses. */
  readonly features: readonly string[];
}

/** Features as people count them: what only follows from others or repeats them is left out. */
export function isCountedFeature({ field }: MergedField): boolean {
  return field.kind === "feature" && !UNCOUNTED_GROUPS.has(field.group);
}

function isListed(merging: MergedField): boolean {
  const { field, value } = merging;
  return isCountedFeature(merging) && field.group !== AARCH32_GROUP && isPresent(value, field);
}

/** An entry that shows nothing of what a plan decides. */
export function hiddenEntry(type: CpuType, { leaf, subleaf }: EntryPlace) {
  const masks = plannedMasks(type, leaf, subleaf);
  const registers = eachRegister((register): Bitmap32 => ({ mask: masks[register], value: 0 }));
  return { leaf, subleaf, registers };
}

/** Collects the merged fields into words. With `keepIdentity` the identity stays undecided. */
export function guestCpu(merged: Merged, keepIdentity: boolean): GuestCpu {
  const cpuid = merged.places.map((place) => hiddenEntry(merged.type, place));
  const entries = new Map(cpuid.map((entry) => [keyOf(entry), entry.registers]));
  const registers = new Map<RegisterId, bigint>(merged.registers.map((id) => [id, 0n]));
  for (const { field, place, value } of merged.fields) {
    if ("id" in place)
      registers.set(place.id, writeField(registers.get(place.id) ?? 0n, field, value));
    else {
      const words = entries.get(keyOf(place));
      if (words === undefined) continue;
      words[place.register] = writeWord(words[place.register], field, value, keepIdentity);
    }
  }
  return {
    cpuid,
    registers: [...registers].map(([id, value]) => ({
      id,
      mask: plannedRegisterMask(merged.type, id),
      value,
    })),
    features: merged.fields.filter(isListed).map(({ field }) => field.name),
  };
}

function writeWord(
  { mask, value: word }: Bitmap32,
  { hi, lo, kind }: MergedField["field"],
  value: bigint,
  keepIdentity: boolean,
): Bitmap32 {
  return kind === "identity" && keepIdentity
    ? { mask: (mask & ~mask32(hi, lo)) >>> 0, value: word }
    : { mask, value: insert32(word, hi, lo, Number(value)) };
}
