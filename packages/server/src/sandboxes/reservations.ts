/**
 * Room on nodes that was given away and that their heartbeats do not show yet. In memory: the
 * agent's own limit is the last word, and it says so where two servers gave the same room away.
 */
import type { FleetNode } from "../placement/fleet.ts";

/** Two heartbeats. */
const HELD_MS = 10_000;

interface Reservation {
  readonly memoryMib: number;
  readonly until: number;
}

export interface Reservations {
  fits(node: FleetNode, guest: { readonly memoryMib: number }): boolean;
  add(node: string, memoryMib: number): void;
}

export function openReservations(): Reservations {
  const byNode = new Map<string, Reservation[]>();
  const current = (node: string): Reservation[] => {
    const now = performance.now();
    const left = (byNode.get(node) ?? []).filter(({ until }) => until > now);
    if (left.length === 0) byNode.delete(node);
    else byNode.set(node, left);
    return left;
  };
  return {
    fits: ({ id, freeSandboxes, freeMemoryMib }, { memoryMib }) => {
      const taken = current(id);
      const memory = taken.reduce((sum, one) => sum + one.memoryMib, 0);
      return freeSandboxes - taken.length >= 1 && freeMemoryMib - memory >= memoryMib;
    },
    add: (node, memoryMib) => {
      const until = performance.now() + HELD_MS;
      byNode.set(node, [...current(node), { memoryMib, until }]);
    },
  };
}
