/**
 * Tables that a computed jump goes by. Compilers write either distances from the table's start,
 * four bytes each, or addresses, eight bytes each, in files that are loaded at a fixed address.
 */
import type { Image } from "../elf/image.ts";

/** No switch that a compiler makes a table of has more cases. */
const MOST_CASES = 4096;

export interface TableBounds {
  /** Addresses that cases lie between: the function's. */
  readonly start: number;
  readonly end: number;
  /** How many cases the code compares with before it jumps, if it does. */
  readonly cases: number | undefined;
}

/** The addresses that a table of distances leads to; empty where it is none. */
export function distancesAt(image: Image, table: number, bounds: TableBounds): number[] {
  return casesOf(bounds, (i) => {
    const distance = image.numberAt(table + i * 4, 4);
    return distance === undefined ? undefined : table + distance;
  });
}

/** The same of a table of addresses. */
export function addressesAt(image: Image, table: number, bounds: TableBounds): number[] {
  return casesOf(bounds, (i) => image.pointerAt(table + i * 8));
}

function casesOf(
  { start, end, cases }: TableBounds,
  caseAt: (index: number) => number | undefined,
): number[] {
  const found: number[] = [];
  const most = Math.min(cases ?? MOST_CASES, MOST_CASES);
  for (let i = 0; i < most; i++) {
    const target = caseAt(i);
    if (target === undefined || target < start || target >= end) break;
    found.push(target);
  }
  // Where the code says how many there are, fewer mean that this is not the table.
  return cases !== undefined && cases <= MOST_CASES && found.length < cases ? [] : found;
}
