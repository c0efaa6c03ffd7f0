/** Comparing the words of a guest with those of a node. */
import { extract32 } from "../bits.ts";
import { isBackedBy } from "../tables/backing.ts";
import { hexNumber } from "../format/address.ts";
import type { HasBit } from "../tables/compare-models.ts";
import type { Finding } from "./finding.ts";
import { bitAddress, hasBit, type Layout, type NumberField, type Slot } from "./layout.ts";

export interface GuestWords {
  readonly words: Uint32Array;
  /** Without the bits of features that the guest does not have. */
  readonly told: Uint32Array;
  /** Of each word, the bits of numbers, but those of such features. */
  readonly counted: Uint32Array;
  readonly promises: HasBit;
}

export interface NodeWords {
  readonly words: Uint32Array;
  readonly offers: HasBit;
}

function numberText(value: number): string {
  return value < 256 ? String(value) : hexNumber(value);
}

/** What comparing a guest with a node asks about the guest alone. */
export function guestWords(layout: Layout, words: Uint32Array): GuestWords {
  const promises = (name: string) => hasBit(layout, words, name);
  const [told, counted] = [words.slice(), layout.counted.slice()];
  for (const [of, parts] of layout.gated) {
    if (promises(of)) continue;
    for (const { slot, bits, numbers } of parts) {
      told[slot] = (told[slot] ?? 0) & ~bits;
      counted[slot] = (counted[slot] ?? 0) & ~numbers;
    }
  }
  return { words, told, counted, promises };
}

/** A number that the guest counts on, and the node does not reach or does not have as it is. */
function numberFinding(
  { field, hi, lo, missed, missedUnused }: NumberField,
  promised: number,
  offered: number,
  promises: HasBit,
): Finding | undefined {
  const p = extract32(promised, hi, lo);
  const o = extract32(offered, hi, lo);
  if (field.kind === "minimum" && p < o) return undefined;
  // What no feature gates says nothing where it is zero.
  if (p === 0 && field.of === undefined) return undefined;
  const isUnused = missedUnused !== undefined && !promises(missedUnused.without);
  const { rule, severity, address, name, consequence } = isUnused ? missedUnused : missed;
  const [from, to] = [numberText(p), numberText(o)];
  return { rule, severity, address, name, promised: from, offered: to, consequence };
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
      ? "This bit has no row in the tables. The guest was not shown it."
      : "This bit has no row in the tables, so its meaning is unknown.",
  };
}

function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}

/** Takes bits out of `open` that other bits of the node make good, with a note for each. */
function excuse(slot: Slot, open: number, offers: HasBit, findings: Finding[]): number {
  if ((open & slot.excusable) === 0) return open;
  let rest = open;
  for (const { mask, backings, finding } of slot.excuses) {
    if ((rest & mask) === 0 || !isBackedBy(backings, offers)) continue;
    rest &= ~mask;
    findings.push(finding);
  }
  return rest;
}

/** Findings of one word, in the order of its bits as far as they are of one kind. */
function compareWord(
  slot: Slot,
  i: number,
  guest: GuestWords,
  node: NodeWords,
  findings: Finding[],
): void {
  const told = guest.told[i] ?? 0;
  const promised = guest.words[i] ?? 0;
  const offered = node.words[i] ?? 0;
  const lost = excuse(slot, told & ~offered & slot.promises, node.offers, findings);
  const untold = excuse(slot, offered & ~told & slot.announced, node.offers, findings);
  for (let rest = lost | untold; rest !== 0; rest &= rest - 1) {
    const bit = lowestBit(rest);
    const finding = ((lost >>> bit) & 1) === 1 ? slot.lost[bit] : slot.untold[bit];
    if (finding !== undefined) findings.push(finding);
  }
  const differs = promised ^ offered;
  const counted = differs & (guest.counted[i] ?? 0);
  if (counted !== 0) {
    for (const number of slot.numbers) {
      if ((number.mask & counted) === 0) continue;
      const finding = numberFinding(number, promised, offered, guest.promises);
      if (finding !== undefined) findings.push(finding);
    }
  }
  for (let rest = differs & slot.reserved; rest !== 0; rest &= rest - 1) {
    findings.push(reservedFinding(slot, lowestBit(rest), promised, offered));
  }
}

export function compareWords(
  { slots }: Layout,
  guest: GuestWords,
  node: NodeWords,
  findings: Finding[],
): void {
  const { words, told } = guest;
  for (let i = 0; i < slots.length; i++) {
    const offered = node.words[i];
    if (words[i] === offered && told[i] === offered) continue;
    const slot = slots[i];
    if (slot !== undefined) compareWord(slot, i, guest, node, findings);
  }
}
