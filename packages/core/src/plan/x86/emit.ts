/**
 * The template of one x86 class (docs/adr/0003-allow-list-templates.md):
 * - a feature outside the pool, and every reserved bit: 0, so that an update cannot leak it
 * - a feature of the pool: kept, never asserted, so that a node which loses it does not lie
 * - a weakness or remedy of the pool: 1; one that no class has: kept, so that none is ever hidden
 * - a number: the pool's
 * - what Firecracker overwrites in every version planned for, and what is free: not named, but for
 *   features that it clears, which are 0 here as well
 */
import { fieldBits, mask32 } from "../../bits.ts";
import { indexEntries, keyOf, REGISTERS, type Register } from "../../cpuid.ts";
import {
  alwaysOverwritten,
  alwaysWritten,
  mayBeInserted,
  unlikeLines,
} from "../../firecracker/normalization.ts";
import type { NodeClass } from "../../profile/class.ts";
import type { CpuType, MsrField } from "../../tables/field.ts";
import { cpuidFields, msrFields } from "../../tables/lookup.ts";
import { isAnnouncement } from "../../tables/masks.ts";
import {
  EMPTY_TEMPLATE,
  type Bitmap32,
  type CpuidModifier,
  type CpuTemplate,
  type MsrModifier,
  type RegisterModifier,
} from "../../template/template.ts";
import type { GuestCpu, GuestEntry, GuestRegister } from "../guest-cpu.ts";

function registerBitmap(
  type: CpuType,
  entry: GuestEntry,
  register: Register,
  lines: readonly string[],
): Bitmap32 {
  const { leaf, subleaf } = entry;
  const { mask: planned, value } = entry.registers[register];
  let mask = planned & ~alwaysOverwritten(type, lines, leaf, subleaf, register);
  const written = alwaysWritten(type, lines, leaf, subleaf, register);
  const cleared = written.mask & ~written.value & planned & ~value;
  for (const { kind, hi, lo } of cpuidFields(type, leaf, subleaf, register)) {
    const bits = mask32(hi, lo);
    if (kind === "feature") {
      // Firecracker clears some itself (WAITPKG since 1.12); older builds do not.
      mask = (mask & ~(bits & value)) | (bits & cleared);
    } else if (isAnnouncement(kind)) mask &= ~(bits & ~value);
  }
  return { mask: mask >>> 0, value: (value & mask) >>> 0 };
}

/** Bits of a field that a template must keep: those it may not assert, or may not hide. */
function keptBits(field: MsrField, value: bigint): bigint {
  if (field.kind === "feature") return fieldBits(field) & value;
  return isAnnouncement(field.kind) ? fieldBits(field) & ~value : 0n;
}

function msrModifiers(type: CpuType, { id, mask, value }: GuestRegister): MsrModifier[] {
  if (typeof id === "bigint") return [];
  const kept = msrFields(type, id).reduce((bits, field) => bits | keptBits(field, value), 0n);
  const changed = mask & ~kept;
  return changed === 0n ? [] : [{ addr: id, mask: changed, value: value & ~kept }];
}

/** What a plan's templates write: the same for every class that has the entry or the MSR. */
interface Written {
  readonly entries: readonly Pick<CpuidModifier, "leaf" | "subleaf" | "modifiers">[];
  readonly msrs: readonly MsrModifier[];
}

function writtenFor(type: CpuType, guest: GuestCpu, lines: readonly string[]): Written {
  const unlike = unlikeLines(type, lines);
  const entries = guest.cpuid
    .filter(({ leaf, subleaf }) => !mayBeInserted(type, leaf, subleaf))
    .map((entry) => ({
      leaf: entry.leaf,
      subleaf: entry.subleaf,
      modifiers: REGISTERS.map((register): RegisterModifier => ({
        register,
        ...registerBitmap(type, entry, register, unlike),
      })).filter(({ mask }) => mask !== 0),
    }))
    .filter(({ modifiers }) => modifiers.length > 0);
  return { entries, msrs: guest.registers.flatMap((register) => msrModifiers(type, register)) };
}

function emit({ cpu }: NodeClass, written: Written): CpuTemplate {
  const offered = indexEntries(cpu.cpuid);
  const listed = new Set(cpu.msrs.map(({ addr }) => addr));
  return {
    ...EMPTY_TEMPLATE,
    cpuidModifiers: written.entries.flatMap((entry): CpuidModifier[] => {
      const own = offered.get(keyOf(entry));
      const { leaf, subleaf, modifiers } = entry;
      return own === undefined ? [] : [{ leaf, subleaf, flags: own.flags, modifiers }];
    }),
    msrModifiers: written.msrs.filter(({ addr }) => listed.has(addr)),
  };
}

export function x86Templates(
  classes: readonly NodeClass[],
  guest: GuestCpu,
  lines: readonly string[],
): CpuTemplate[] {
  const [type] = classes.map((nodeClass) => nodeClass.type);
  if (type === undefined) return [];
  const written = writtenFor(type, guest, lines);
  return classes.map((nodeClass) => emit(nodeClass, written));
}
