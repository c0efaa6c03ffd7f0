/** The pool's guest CPU: the bits a plan decides, and their values. */
import { entryKey, REGISTERS, type Register } from "../cpuid.ts";
import { insert32, mask32, mask64 } from "../bits.ts";
import type { Bitmap32, WideBitmap } from "../template/template.ts";
import { UNCOUNTED_GROUPS } from "../tables/groups.ts";
import { plannedMasks, plannedMsrMask } from "../tables/masks.ts";
import type { EntryPlace, Merged, MergedField } from "./merge.ts";

export interface GuestEntry extends EntryPlace {
  /** Bits outside `mask` are left as each node has them. */
  readonly registers: Readonly<Record<Register, Bitmap32>>;
}

export interface GuestMsr extends WideBitmap {
  readonly addr: number;
}

export interface GuestCpu {
  /** Every entry that some class has; an entry that is not here reads as zero. */
  readonly cpuid: readonly GuestEntry[];
  readonly msrs: readonly GuestMsr[];
  /** Names of the features a guest may use, in the order of their addresses. */
  readonly features: readonly string[];
}

/** Features as people count them: what only follows from others or repeats them is left out. */
export function isCountedFeature({ field }: MergedField): boolean {
  return field.kind === "feature" && !UNCOUNTED_GROUPS.has(field.group);
}

function wordKey(leaf: number, subleaf: number, register: Register): string {
  return `${entryKey(leaf, subleaf)}:${register}`;
}

/** Collects the merged fields into words. With `keepIdentity` the identity stays undecided. */
export function guestCpu(merged: Merged, keepIdentity: boolean): GuestCpu {
  const words = new Map<string, Bitmap32>();
  const msrs = new Map<number, WideBitmap>();
  for (const { leaf, subleaf } of merged.places) {
    const masks = plannedMasks(merged.vendor, leaf, subleaf);
    for (const register of REGISTERS) {
      words.set(wordKey(leaf, subleaf, register), { mask: masks[register], value: 0 });
    }
  }
  for (const addr of merged.msrs) {
    msrs.set(addr, { mask: plannedMsrMask(merged.vendor, addr), value: 0n });
  }
  for (const merging of merged.fields) place(merging, words, msrs, keepIdentity);
  const word = (leaf: number, subleaf: number, register: Register) =>
    words.get(wordKey(leaf, subleaf, register)) ?? { mask: 0, value: 0 };
  return {
    cpuid: merged.places.map(({ leaf, subleaf }) => ({
      leaf,
      subleaf,
      registers: {
        eax: word(leaf, subleaf, "eax"),
        ebx: word(leaf, subleaf, "ebx"),
        ecx: word(leaf, subleaf, "ecx"),
        edx: word(leaf, subleaf, "edx"),
      },
    })),
    msrs: [...msrs].map(([addr, bitmap]) => ({ addr, ...bitmap })),
    features: merged.fields
      .filter((f) => isCountedFeature(f) && f.value !== 0)
      .map((f) => f.field.name),
  };
}

function place(
  { field, place: at, value }: MergedField,
  words: Map<string, Bitmap32>,
  msrs: Map<number, WideBitmap>,
  keepIdentity: boolean,
): void {
  const { hi, lo, kind } = field;
  if ("addr" in at) {
    const before = msrs.get(at.addr) ?? { mask: 0n, value: 0n };
    const bits = (BigInt(value) << BigInt(lo)) & mask64(hi, lo);
    msrs.set(at.addr, { ...before, value: before.value | bits });
    return;
  }
  const key = wordKey(at.leaf, at.subleaf, at.register);
  const before = words.get(key) ?? { mask: 0, value: 0 };
  if (kind === "identity" && keepIdentity) {
    words.set(key, { ...before, mask: (before.mask & ~mask32(hi, lo)) >>> 0 });
  } else {
    words.set(key, { ...before, value: insert32(before.value, hi, lo, value) });
  }
}
