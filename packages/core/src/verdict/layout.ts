/**
 * Words side by side: guests and nodes laid out alike, so that comparing them is a few hundred
 * integer operations. MSRs are two words, low and high.
 */
import { groupBy } from "../group.ts";
import { compareEntries, keyOf, REGISTERS, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import { bitRange, fieldAddress, msrAddress, registerAddress } from "../format/address.ts";
import type { CpuidField, CpuType, MsrField } from "../tables/field.ts";
import { isOfCpuidAlone } from "../tables/cpuid-limits.ts";
import { cpuidFields, msrFields } from "../tables/lookup.ts";
import { isPlannedRegister } from "../tables/registers.ts";
import { mask32 } from "../bits.ts";
import { backingText } from "../format/backing.ts";
import { backingsOf, type Backing } from "../tables/backing.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";
import { consequenceOf, numberConsequence, ruleOf, type Direction } from "./consequence.ts";
import type { Finding, Severity } from "./finding.ts";

type Missed = Omit<Finding, "promised" | "offered">;

export interface NumberField {
  readonly field: CpuidField | MsrField;
  readonly hi: number;
  readonly lo: number;
  readonly mask: number;
  readonly missed: Missed;
  /** What is said instead to a guest that cannot use the number, for want of a feature. */
  readonly missedUnused: (Missed & { readonly without: string }) | undefined;
}

interface BitPlace {
  readonly slot: number;
  readonly bit: number;
}

/** What of a word means nothing to a guest without some feature. */
interface Gate {
  readonly of: string;
  readonly bits: number;
  readonly numbers: number;
}

interface Gated extends Gate {
  readonly slot: number;
}

/** A bit whose absence, or presence, other bits of the node may make good. */
interface Excuse {
  readonly mask: number;
  readonly backings: readonly Backing[];
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
  readonly excusable: number;
  readonly holdsFeatures: boolean;
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
  /** Undefined for vendors nothing is known about: then there is no word to compare. */
  readonly type: CpuType | undefined;
  readonly slots: readonly Slot[];
  /** Where the words of an entry, or of an MSR, begin. */
  readonly cpuid: ReadonlyMap<string, number>;
  readonly msrs: ReadonlyMap<number, number>;
  readonly counted: Uint32Array;
  readonly gated: ReadonlyMap<string, readonly Gated[]>;
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
  return [{ mask, backings: backingsOf(field), finding }];
}

function isNumber(field: CpuidField | MsrField): boolean {
  return (field.kind === "minimum" || field.kind === "derived") && !isOfCpuidAlone(field);
}

function missedNumber(field: CpuidField | MsrField): Pick<NumberField, "missed" | "missedUnused"> {
  const missed: Missed = {
    rule: ruleOf(field),
    severity: field.loss === "none" ? "note" : "incompatible",
    address: fieldAddress(field),
    name: field.name,
    consequence: numberConsequence(field),
  };
  if (field.name !== "LINEAR_ADDRESS_BITS") return { missed, missedUnused: undefined };
  // With four paging levels every CPU has 48 bits, whatever it reports.
  const consequence = "The guest cannot use more than 48 linear address bits without LA57.";
  return { missed, missedUnused: { ...missed, severity: "note", consequence, without: "LA57" } };
}

function slotOf(address: string, fields: readonly (CpuidField | MsrField)[], base: 0 | 32): Slot {
  const slot = { promises: 0, announced: 0, reserved: 0xffff_ffff, numbersMask: 0 };
  const none = () => Array.from({ length: 32 }, (): Finding | undefined => undefined);
  const [lost, untold] = [none(), none()];
  const excuses: Excuse[] = [];
  const numbers: NumberField[] = [];
  const gates: Gate[] = [];
  for (const field of fields) {
    const [hi, lo] = [Math.min(field.hi - base, 31), Math.max(field.lo - base, 0)];
    if (hi < 0 || lo > 31) continue;
    const mask = mask32(hi, lo);
    slot.reserved = (slot.reserved & ~mask) >>> 0;
    if (isPromise(field.kind)) {
      slot.promises = (slot.promises | mask) >>> 0;
      excuses.push(...excuseOf(field, mask));
      lost.fill(bitFinding(field, "lost"), lo, hi + 1);
    }
    if (isAnnouncement(field.kind)) {
      slot.announced = (slot.announced | mask) >>> 0;
      untold.fill(bitFinding(field, "untold"), lo, hi + 1);
    }
    if (isNumber(field)) {
      slot.numbersMask = (slot.numbersMask | mask) >>> 0;
      numbers.push({ field, hi, lo, mask, ...missedNumber(field) });
    }
    if (field.of !== undefined) {
      const isBits = isPromise(field.kind) || isAnnouncement(field.kind);
      const own = isNumber(field) ? mask : 0;
      gates.push({ of: field.of, bits: isBits ? mask : 0, numbers: own });
    }
  }
  const holdsFeatures = fields.some(({ kind }) => isPromise(kind));
  const excusable = excuses.reduce((all, { mask }) => all | mask, 0) >>> 0;
  const parts = { excuses, excusable, holdsFeatures, gates, numbers };
  return { address, base, ...slot, ...parts, lost, untold };
}

interface Content {
  readonly cpuid: readonly CpuidEntry[];
  readonly msrs: readonly MsrValue[];
}

interface Placed {
  readonly slots: Slot[];
  readonly cpuid: Map<string, number>;
  readonly msrs: Map<number, number>;
}

function placeCpuid(type: CpuType, contents: readonly Content[], { slots, cpuid }: Placed): void {
  const entries = new Map<string, CpuidEntry>();
  for (const content of contents)
    for (const entry of content.cpuid) entries.set(keyOf(entry), entry);
  for (const entry of [...entries.values()].toSorted(compareEntries)) {
    const { leaf, subleaf } = entry;
    cpuid.set(keyOf(entry), slots.length);
    for (const register of REGISTERS) {
      const address = registerAddress(leaf, subleaf, register);
      slots.push(slotOf(address, cpuidFields(type, leaf, subleaf, register), 0));
    }
  }
}

function placeMsrs(type: CpuType, contents: readonly Content[], { slots, msrs }: Placed): void {
  const addresses = new Set<number>();
  for (const content of contents) for (const { addr } of content.msrs) addresses.add(addr);
  for (const addr of [...addresses].toSorted((a, b) => a - b)) {
    if (!isPlannedRegister(type, addr)) continue;
    msrs.set(addr, slots.length);
    const fields = msrFields(type, addr);
    slots.push(slotOf(msrAddress(addr), fields, 0), slotOf(msrAddress(addr), fields, 32));
  }
}

export function layoutOf(type: CpuType | undefined, contents: readonly Content[]): Layout {
  const placed: Placed = { slots: [], cpuid: new Map(), msrs: new Map() };
  if (type !== undefined) {
    placeCpuid(type, contents, placed);
    placeMsrs(type, contents, placed);
  }
  const { slots } = placed;
  const counted = Uint32Array.from(slots, ({ numbersMask }) => numbersMask);
  return { type, ...placed, counted, gated: gatedOf(slots), bits: bitPlaces(slots) };
}

/** Whether every word of a content that can be compared has its place. */
export function hasPlaces({ type, cpuid, msrs }: Layout, content: Content): boolean {
  if (type === undefined) return true;
  return (
    content.cpuid.every((entry) => cpuid.has(keyOf(entry))) &&
    content.msrs.every(({ addr }) => msrs.has(addr) || !isPlannedRegister(type, addr))
  );
}

function gatedOf(slots: readonly Slot[]): Map<string, Gated[]> {
  const all = slots.flatMap(({ gates }, slot) => gates.map((gate) => ({ slot, ...gate })));
  return groupBy(all, ({ of }) => of);
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
    const at = layout.cpuid.get(keyOf(entry));
    if (at === undefined) continue;
    words[at] = entry.eax;
    words[at + 1] = entry.ebx;
    words[at + 2] = entry.ecx;
    words[at + 3] = entry.edx;
  }
  for (const { addr, value } of msrs) {
    const at = layout.msrs.get(addr);
    if (at === undefined) continue;
    words[at] = Number(value & 0xffff_ffffn);
    words[at + 1] = Number(value >> 32n);
  }
  return words;
}

export function bitAddress({ address, base }: Slot, bit: number): string {
  return `${address}${bitRange(bit + base, bit + base)}`;
}
