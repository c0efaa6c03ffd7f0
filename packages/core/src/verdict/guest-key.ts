/** Guests that no rule of a verdict tells apart. */
import type { Layout, Slot } from "./layout.ts";
import type { PreparedContract } from "./prepare.ts";

/** The bits of a word that some rule compares; caches, topology and clocks are not among them. */
function comparedBits({ promises, announced, numbersMask, reserved }: Slot): number {
  return promises | announced | numbersMask | reserved;
}

/**
 * Text that is the same for two contracts where every verdict is. A member of a contract counts unless it is named here as one that no rule reads, or that its words say.
 */
export function guestKey(layout: Layout, guest: PreparedContract): string {
  const { contract, gaps, words, signature } = guest;
  const { node: _node, cpuid: _words, msrs, registers, ...others } = contract;
  const listed = msrs.map(({ addr, value }) => `${addr.toString(16)}=${value.toString(16)}`);
  const compared = words.map((word, i) => {
    const slot = layout.slots[i];
    return slot === undefined ? word : word & comparedBits(slot);
  });
  const arm = registers.map(({ id, value }) => `${id.toString(16)}=${value.toString(16)}`);
  return JSON.stringify([others, gaps, signature, listed, arm, [...compared]]);
}
