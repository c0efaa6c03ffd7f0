/** What makes a promise true where the promised bit itself is missing. */
import { listOf } from "../format/text.ts";
import type { CpuidField, MsrField } from "./field.ts";

type BackedField = Pick<CpuidField | MsrField, "backedBy">;

/** What makes a promise true: all of some bits there, and none of some others. */
export interface Backing {
  readonly present: readonly string[];
  readonly absent: readonly string[];
}

/** Each list of a row's as bits that must be there and bits, `!NAME`, that must not. */
export function backingsOf({ backedBy }: BackedField): readonly Backing[] {
  return backedBy.map((names) => ({
    present: names.filter((name) => !name.startsWith("!")),
    absent: names.filter((name) => name.startsWith("!")).map((name) => name.slice(1)),
  }));
}

export function isBackedBy(backings: readonly Backing[], has: (name: string) => boolean): boolean {
  return backings.some(({ present, absent }) => present.every(has) && !absent.some(has));
}

/** Whether all bits of any one list are as it says; `!NAME` must be absent. */
export function isBacked(
  backedBy: BackedField["backedBy"],
  has: (name: string) => boolean,
): boolean {
  return isBackedBy(backingsOf({ backedBy }), has);
}

/** `MDS_NO and TAA_NO, or MDS_NO`: the bits that may stand in, for people. */
export function backingText({ backedBy }: BackedField): string {
  const lists = backedBy.map((names) => names.filter((name) => !name.startsWith("!")));
  // A list that asks for more than another one is left out: people look for the shorter one first.
  const shortest = lists.filter(
    (names) => !lists.some((o) => o.length < names.length && o.every((n) => names.includes(n))),
  );
  return [...new Set(shortest.map(listOf))].join(", or ");
}
