/**
 * The template of one class (docs/adr/0003-allow-list-templates.md):
 * - a feature outside the pool, and every reserved bit: 0, so that an update cannot leak it
 * - a feature of the pool: kept, never asserted, so that a node which loses it does not lie
 * - a weakness or remedy of the pool: 1; one that no class has: kept, so that none is ever hidden
 * - a number: the pool's
 * - what Firecracker overwrites in every version planned for, and what is free: not named, but for
 *   features that it clears: builds from before it did so would leave them to guests
 */
import { keyOf, REGISTERS, type Register } from "../cpuid.ts";
import { mask32, mask64 } from "../bits.ts";
import { alwaysCleared, alwaysOverwritten, mayBeInserted } from "../firecracker/normalization.ts";
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
  const cleared = alwaysCleared(vendor, lines, leaf, subleaf, register);
  let mask = planned & ~alwaysOverwritten(vendor, lines, leaf, subleaf, register);
  for (const { kind, hi, lo } of cpuidFields(vendor, leaf, subleaf, register)) {
    if (kind === "feature") mask |= cleared & mask32(hi, lo);
    mask &= ~Number(keptBits(kind, BigInt(mask32(hi, lo)), BigInt(value)));
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

function entryModifier(
  { vendor, cpuid }: NodeClass,
  entry: GuestEntry,
  lines: readonly string[],
): CpuidModifier[] {
  const { leaf, subleaf } = entry;
  const offered = cpuid.get(keyOf(entry));
  if (offered === undefined || mayBeInserted(vendor, leaf, subleaf)) return [];
  const modifiers = REGISTERS.map((register): RegisterModifier => ({
    register,
    ...registerBitmap(vendor, entry, register, lines),
  })).filter(({ mask }) => mask !== 0);
  return modifiers.length === 0 ? [] : [{ leaf, subleaf, flags: offered.flags, modifiers }];
}

export function emitTemplate(
  nodeClass: NodeClass,
  guest: GuestCpu,
  lines: readonly string[],
): CpuTemplate {
  const msrModifiers = guest.msrs
    .filter(({ addr }) => nodeClass.msrs.has(addr))
    .map(({ addr, mask, value }): MsrModifier => ({
      addr,
      ...msrBitmap(nodeClass.vendor, addr, { mask, value }),
    }))
    .filter(({ mask }) => mask !== 0n);
  return {
    ...EMPTY_TEMPLATE,
    cpuidModifiers: guest.cpuid.flatMap((entry) => entryModifier(nodeClass, entry, lines)),
    msrModifiers,
  };
}
