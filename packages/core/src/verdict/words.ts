/** Comparing the words of a guest with those of a node. */
import { extract32 } from "../bits.ts";
import { isBacked } from "../tables/backing.ts";
import { fieldAddress, hexNumber } from "../format/address.ts";
import { ruleOf } from "./consequence.ts";
import type { Finding } from "./finding.ts";
import { bitAddress, hasBit, type Layout, type NumberField, type Slot } from "./layout.ts";

/** Numbers that only CPUID itself is about: the snapshot brings its own CPUID along. */
const CPUID_ONLY: ReadonlySet<string> = new Set([
  "MAX_BASIC_LEAF",
  "MAX_LEAF7_SUBLEAF",
  "MAX_EXTENDED_LEAF",
  "MAX_HYPERVISOR_LEAF",
  "MAX_AVX10_SUBLEAF",
  "MAX_TMUL_SUBLEAF",
  "GUEST_MAXPHYADDR",
  // Follows from the state components, which have findings of their own.
  "XSAVE_SIZE_MAX",
]);

function numberText(value: number): string {
  return value < 256 ? String(value) : hexNumber(value);
}

function numberConsequence(field: NumberField["field"], unused: boolean): string {
  const { title } = field;
  const rule = ruleOf(field);
  if (unused) return "The guest cannot use more than 48 linear address bits without LA57.";
  if (field.loss === "none") return `${title}: no guest can use it, here or there.`;
  if (rule === "address-width") {
    return `The guest may use ${title} that this CPU does not have: a page fault on a reserved bit.`;
  }
  if (rule === "xsave-layout") {
    return `${title}: the guest's programs and the saved XSAVE image count on another layout.`;
  }
  return `${title}: the guest counts on more than the node has.`;
}

/** A number of the guest's that the node does not reach, or does not have in the same way. */
function numberFinding(
  { field, hi, lo }: NumberField,
  promised: number,
  offered: number,
  promises: (feature: string) => boolean,
): Finding | undefined {
  const p = extract32(promised, hi, lo);
  const o = extract32(offered, hi, lo);
  if (p === o || CPUID_ONLY.has(field.name)) return undefined;
  if (field.kind === "minimum" && p < o) return undefined;
  // What no feature gates says nothing where it is zero.
  if (p === 0 && field.of === undefined) return undefined;
  // What belongs to a feature that the guest does not have means nothing to it.
  if (field.of !== undefined && !promises(field.of)) return undefined;
  const rule = ruleOf(field);
  // With four paging levels every CPU has 48 bits, whatever it reports.
  const unused = field.name === "LINEAR_ADDRESS_BITS" && !promises("LA57");
  const harmless = unused || field.loss === "none";
  return {
    rule,
    severity: harmless ? "note" : "incompatible",
    address: fieldAddress(field),
    name: field.name,
    promised: numberText(p),
    offered: numberText(o),
    consequence: numberConsequence(field, unused),
  };
}

/**
 * A bit that no row names and in which the two differ. A guest does nothing with what it was not
 * shown, where the register holds features; elsewhere the bit may be part of anything.
 */
function reservedFinding(slot: Slot, bit: number, promised: number, offered: number): Finding {
  const unseen = ((promised >>> bit) & 1) === 0 && slot.holdsFeatures;
  return {
    rule: "reserved",
    severity: unseen ? "note" : "unknown",
    address: bitAddress(slot, bit),
    name: "reserved",
    promised: String((promised >>> bit) & 1),
    offered: String((offered >>> bit) & 1),
    consequence: unseen
      ? "No row names this bit. The guest was not shown it."
      : "No row names this bit, so nobody can say what it promises or announces.",
  };
}

function eachBit(mask: number, visit: (bit: number) => void): void {
  let rest = mask;
  while (rest !== 0) {
    const bit = 31 - Math.clz32(rest & -rest);
    visit(bit);
    rest &= rest - 1;
  }
}

type HasBit = (name: string) => boolean;

/** Takes bits out of `open` that other bits of the node make good, with a note for each. */
function excuse(slot: Slot, open: number, offers: HasBit, findings: Finding[]): number {
  let rest = open;
  for (const { mask, backedBy, finding } of slot.excuses) {
    if ((rest & mask) === 0) continue;
    if (!isBacked(backedBy, offers)) continue;
    rest &= ~mask;
    findings.push(finding);
  }
  return rest;
}

/** Findings of one word, in the order of its bits as far as they are of one kind. */
function compareWord(
  slot: Slot,
  promised: number,
  offered: number,
  promises: HasBit,
  offers: HasBit,
  findings: Finding[],
): void {
  let told = promised;
  for (const { of, mask } of slot.gates) if (!promises(of)) told &= ~mask;
  const lost = excuse(slot, told & ~offered & slot.promises, offers, findings);
  const untold = excuse(slot, offered & ~told & slot.announced, offers, findings);
  eachBit(lost | untold, (bit) => {
    const finding = ((lost >>> bit) & 1) === 1 ? slot.lost[bit] : slot.untold[bit];
    if (finding !== undefined) findings.push(finding);
  });
  if (((promised ^ offered) & slot.numbersMask) !== 0) {
    for (const number of slot.numbers) {
      const finding = numberFinding(number, promised, offered, promises);
      if (finding !== undefined) findings.push(finding);
    }
  }
  eachBit((promised ^ offered) & slot.reserved, (bit) => {
    findings.push(reservedFinding(slot, bit, promised, offered));
  });
}

export function compareWords(
  layout: Layout,
  promised: Uint32Array,
  offered: Uint32Array,
  findings: Finding[],
): void {
  const { slots } = layout;
  const promises = (feature: string) => hasBit(layout, promised, feature);
  const offers = (feature: string) => hasBit(layout, offered, feature);
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i];
    const p = promised[i] ?? 0;
    const o = offered[i] ?? 0;
    if (slot === undefined) continue;
    const same = p === o && slot.gates.length === 0;
    if (!same) compareWord(slot, p, o, promises, offers, findings);
  }
}
