/**
 * The template of one class (docs/adr/0003-allow-list-templates.md):
 * - a feature outside the pool, and every reserved bit: 0, so that an update cannot leak it
 * - a feature of the pool: kept, never asserted, so that a node which loses it does not lie
 * - a weakness or remedy of the pool: 1; one that no class has: kept, so that none is ever hidden
 * - a number: the pool's
 * - what Firecracker overwrites in every version planned for, and what is free: not named, but for
 *   features that it clears, which are 0 here as well
 */
import { keyOf, REGISTERS, type Register } from "../cpuid.ts";
import { mask32, mask64 } from "../bits.ts";
import {
  alwaysOverwritten,
  alwaysWritten,
  mayBeInserted,
  unlikeLines,
} from "../firecracker/normalization.ts";
import type { NodeClass } from "../profile/class.ts";
import type { Kind, Vendor } from "../tables/field.ts";
import { cpuidFields, msrFields } from "../tables/lookup.ts";
import { isAnnouncement } from "../tables/masks.ts";
import {
  EMPTY_TEMPLATE,
  type Bitmap32,
  type CpuidModifier,
  type CpuTemplate,
  type MsrModifier,
  type RegisterModifier,
  type WideBitmap,
} from "../template/template.ts";
import type { GuestCpu, GuestEntry } from "./guest.ts";

/** Bits of a field that a template leaves alone: those it would have to assert, or to hide. */
function keptBits(kind: Kind, fieldMask: bigint, value: bigint): bigint {
  if (kind === "feature") return fieldMask & value;
  if (isAnnouncement(kind)) return fieldMask & ~value;
  return 0n;
}

function registerBitmap(
  vendor: Vendor,
  entry: GuestEntry,
  register: Register,
  lines: readonly string[],
): Bitmap32 {
  const { leaf, subleaf } = entry;
  const { mask: planned, value } = entry.registers[register];
  let mask = planned & ~alwaysOverwritten(vendor, lines, leaf, subleaf, register);
  const written = alwaysWritten(vendor, lines, leaf, subleaf, register);
  const cleared = written.mask & ~written.value & planned & ~value;
  for (const { kind, hi, lo } of cpuidFields(vendor, leaf, subleaf, register)) {
    const bits = mask32(hi, lo);
    if (kind === "feature") {
      // Firecracker clears some itself (WAITPKG since 1.12), and builds from before do not.
      mask = (mask & ~(bits & value)) | (bits & cleared);
    } else if (isAnnouncement(kind)) mask &= ~(bits & ~value);
  }
  return { mask: mask >>> 0, value: (value & mask) >>> 0 };
}

function msrBitmap(vendor: Vendor, addr: number, { mask, value }: WideBitmap): WideBitmap {
  const kept = msrFields(vendor, addr).reduce(
    (bits, { kind, hi, lo }) => bits | keptBits(kind, mask64(hi, lo), value),
    0n,
  );
  return { mask: mask & ~kept, value: value & ~kept };
}

/** What a plan's templates write: the same for every class that has the entry or the MSR. */
export interface Written {
  readonly entries: readonly Pick<CpuidModifier, "leaf" | "subleaf" | "modifiers">[];
  readonly msrs: readonly MsrModifier[];
}

export function writtenFor(vendor: Vendor, guest: GuestCpu, lines: readonly string[]): Written {
  const unlike = unlikeLines(vendor, lines);
  const entries = guest.cpuid
    .filter(({ leaf, subleaf }) => !mayBeInserted(vendor, leaf, subleaf))
    .map((entry) => ({
      leaf: entry.leaf,
      subleaf: entry.subleaf,
      modifiers: REGISTERS.map((register): RegisterModifier => ({
        register,
        ...registerBitmap(vendor, entry, register, unlike),
      })).filter(({ mask }) => mask !== 0),
    }))
    .filter(({ modifiers }) => modifiers.length > 0);
  const msrs = guest.msrs
    .map(({ addr, mask, value }): MsrModifier => ({
      addr,
      ...msrBitmap(vendor, addr, { mask, value }),
    }))
    .filter(({ mask }) => mask !== 0n);
  return { entries, msrs };
}

export function emitTemplate({ cpuid, msrs }: NodeClass, written: Written): CpuTemplate {
  return {
    ...EMPTY_TEMPLATE,
    cpuidModifiers: written.entries.flatMap((entry): CpuidModifier[] => {
      const offered = cpuid.get(keyOf(entry));
      const { leaf, subleaf, modifiers } = entry;
      return offered === undefined ? [] : [{ leaf, subleaf, flags: offered.flags, modifiers }];
    }),
    msrModifiers: written.msrs.filter(({ addr }) => msrs.has(addr)),
  };
}
