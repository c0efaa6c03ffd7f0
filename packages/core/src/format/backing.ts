import type { BackedField } from "../tables/backing.ts";
import { listOf } from "./text.ts";

/** `MDS_NO and TAA_NO, or MDS_NO`: the bits that may stand in, for people. */
export function backingText({ backedBy }: BackedField): string {
  const lists = backedBy.map((names) => names.filter((name) => !name.startsWith("!")));
  // A list that asks for more than another one is left out: people look for the shorter one first.
  const shortest = lists.filter(
    (names) => !lists.some((o) => o.length < names.length && o.every((n) => names.includes(n))),
  );
  return [...new Set(shortest.map(listOf))].join(", or ");
}
