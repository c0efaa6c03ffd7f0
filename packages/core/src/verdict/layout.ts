/**
 * Words side by side: guests and nodes laid out alike, so that comparing them is a few hundred
 * integer operations. MSRs are two words, low and high.
 */
import { entryKey, REGISTERS, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import { bitRange, fieldAddress, msrAddress, registerAddress } from "../format/address.ts";
import type { CpuidField, MsrField, CpuType } from "../tables/field.ts";
import { cpuidFields, msrFields } from "../tables/lookup.ts";
import { isPlannedRegister } from "../tables/registers.ts";
import { mask32 } from "../bits.ts";
import { backingText } from "../format/backing.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";
import { consequenceOf, ruleOf, type Direction } from "./consequence.ts";
import type { Finding, Severity } from "./finding.ts";

/** A number in a word. */
export interface NumberField {
  readonly field: CpuidField | MsrField;
  readonly hi: number;
  readonly lo: number;
}

/** Where a named bit is. */
interface BitPlace {
  readonly slot: number;
  readonly bit: number;
}

interface Gate {
  readonly of: string;
  readonly mask: number;
}

/** A bit whose absence, or presence, other bits of the node may make good. */
interface Excuse {
  readonly mask: number;
  readonly backedBy: readonly (readonly string[])[];
  readonly finding: Finding;
}

/** What a single bit means for a verdict; made once and used for every pair. */
export interface Slot {
  readonly address: string;
  /** Bits to add to an address's bit numbers: 32 in the high word of an MSR. */
  readonly base: number;
  /** Bits of which a guest must know where the node has them. */
  readonly announced: number;
  /** Bits that promise a guest something: features and remedies. */
  readonly promises: number;
  readonly excuses: readonly Excuse[];
  /** Whether any bit of the whole register is a feature. */
  readonly holdsFeatures: boolean;
  /** Bits that mean nothing to a guest unless it was promised a feature. */
  readonly gates: readonly Gate[];
  readonly reserved: number;
  readonly numbers: readonly NumberField[];
  readonly numbersMask: number;
  /** Per bit: the finding if what the guest was promised is missing. */
  readonly lost: readonly (Finding | undefined)[];
  /** Per bit: the finding if the guest does not know what the node announces. */
  readonly untold: readonly (Finding | undefined)[];
}

export interface Layout {
  readonly type: CpuType | undefined;
  readonly slots: readonly Slot[];
  /** Where the words of an entry, or of an MSR, begin. */
  readonly cpuid: ReadonlyMap<string, number>;
  readonly msrs: ReadonlyMap<number, number>;
  /** Where the features and the weaknesses are, by name. */
  readonly bits: ReadonlyMap<string, BitPlace>;
}

function severityOf(field: CpuidField | MsrField): Severity {
  if (field.loss === "insecure") return "insecure";
  return field.loss === "slower" || field.loss === "none" ? "note" : "incompatible";
}

function bitFinding(field: CpuidField | MsrField, direction: Direction): Finding {
  const lost = direction === "lost";
  return {
    rule: ruleOf(field, direction),
    severity: severityOf(field),
    address: fieldAddress(field),
    name: field.name,
    promised: lost ? "1" : "0",
    offered: lost ? "0" : "1",
    consequence: consequenceOf(field, direction),
  };
}

function excuseOf(field: CpuidField | MsrField, mask: number): Excuse[] {
  if (field.backedBy.length === 0) return [];
  const consequence = `The node has ${backingText(field)} instead.`;
  const finding = { ...bitFinding(field, "lost"), severity: "note", consequence } as const;
  return [{ mask, backedBy: field.backedBy, finding }];
}

function slotOf(address: string, fields: readonly (CpuidField | MsrField)[], base: 0 | 32): Slot {
  const slot = { promises: 0, announced: 0, reserved: 0xffff_ffff, numbersMask: 0 };
  const none = () => Array.from({ length: 32 }, (): Finding | undefined => undefined);
  const [lost, untold] = [none(), none()];
  const excuses: Excuse[] = [];
  const numbers: NumberField[] = [];
  const gates = new Map<string, number>();
  for (const field of fields) {
    const [hi, lo] = [Math.min(field.hi - base, 31), Math.max(field.lo - base, 0)];
    if (hi < 0 || lo > 31) continue;
    const mask = mask32(hi, lo);
    slot.reserved = (slot.reserved & ~mask) >>> 0;
    if (field.of !== undefined && (isPromise(field.kind) || isAnnouncement(field.kind))) {
      gates.set(field.of, (gates.get(field.of) ?? 0) | mask);
    }
    if (isPromise(field.kind)) {
      slot.promises = (slot.promises | mask) >>> 0;
      excuses.push(...excuseOf(field, mask));
      lost.fill(bitFinding(field, "lost"), lo, hi + 1);
    }
    if (isAnnouncement(field.kind)) {
      slot.announced = (slot.announced | mask) >>> 0;
      untold.fill(bitFinding(field, "untold"), lo, hi + 1);
    }
    if (field.kind === "minimum" || field.kind === "derived") {
      slot.numbersMask = (slot.numbersMask | mask) >>> 0;
      numbers.push({ field, hi, lo });
    }
  }
  const gated = [...gates].map(([of, mask]) => ({ of, mask: mask >>> 0 }));
  const holdsFeatures = fields.some(({ kind }) => isPromise(kind));
  return { address, base, ...slot, excuses, holdsFeatures, gates: gated, numbers, lost, untold };
}

interface Content {
  readonly cpuid: readonly CpuidEntry[];
  readonly msrs: readonly MsrValue[];
}

/** Of a vendor nothing is known about, no word can be compared. */
const NO_WORDS: Layout = {
  type: undefined,
  slots: [],
  cpuid: new Map(),
  msrs: new Map(),
  bits: new Map(),
};

/** The layout that holds all of these, for one vendor. */
export function layoutOf(type: CpuType | undefined, contents: readonly Content[]): Layout {
  if (type === undefined) return NO_WORDS;
  const slots: Slot[] = [];
  const cpuid = new Map<string, number>();
  const msrs = new Map<number, number>();
  const entries = contents.flatMap((content) => content.cpuid);
  for (const { leaf, subleaf } of entries.toSorted(
    (a, b) => a.leaf - b.leaf || a.subleaf - b.subleaf,
  )) {
    const key = entryKey(leaf, subleaf);
    if (cpuid.has(key)) continue;
    cpuid.set(key, slots.length);
    for (const register of REGISTERS) {
      const address = registerAddress(leaf, subleaf, register);
      slots.push(slotOf(address, cpuidFields(type, leaf, subleaf, register), 0));
    }
  }
  const addresses = new Set(contents.flatMap((content) => content.msrs.map(({ addr }) => addr)));
  for (const addr of [...addresses].toSorted((a, b) => a - b)) {
    if (!isPlannedRegister(type, addr)) continue;
    msrs.set(addr, slots.length);
    const fields = msrFields(type, addr);
    slots.push(slotOf(msrAddress(addr), fields, 0), slotOf(msrAddress(addr), fields, 32));
  }
  return { type, slots, cpuid, msrs, bits: bitPlaces(slots) };
}

function bitPlaces(slots: readonly Slot[]): Map<string, BitPlace> {
  const places = new Map<string, BitPlace>();
  for (const [slot, { lost, untold }] of slots.entries()) {
    for (let bit = 0; bit < 32; bit++) {
      const finding = lost[bit] ?? untold[bit];
      if (finding !== undefined) places.set(finding.name, { slot, bit });
    }
  }
  return places;
}

/** Whether some words have a feature or a weakness; what the layout has no word for is absent. */
export function hasBit({ bits }: Layout, words: Uint32Array, name: string): boolean {
  const place = bits.get(name);
  return place !== undefined && (((words[place.slot] ?? 0) >>> place.bit) & 1) === 1;
}

/** The words of a guest or of a node; what it does not have is zero. */
export function layOut(layout: Layout, { cpuid, msrs }: Content): Uint32Array {
  const words = new Uint32Array(layout.slots.length);
  for (const entry of cpuid) {
    const at = layout.cpuid.get(entryKey(entry.leaf, entry.subleaf));
    if (at === undefined) continue;
    for (const [i, register] of REGISTERS.entries()) words[at + i] = entry[register];
  }
  for (const { addr, value } of msrs) {
    const at = layout.msrs.get(addr);
    if (at === undefined) continue;
    words[at] = Number(value & 0xffff_ffffn);
    words[at + 1] = Number(value >> 32n);
  }
  return words;
}

/** The address of one bit of a slot. */
export function bitAddress({ address, base }: Slot, bit: number): string {
  return `${address}${bitRange(bit + base, bit + base)}`;
}
