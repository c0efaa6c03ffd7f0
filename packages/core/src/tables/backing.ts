/** What makes a promise true where the promised bit itself is missing. */
import { listOf } from "../format/text.ts";
import type { CpuidField, MsrField } from "./field.ts";

type BackedField = Pick<CpuidField | MsrField, "backedBy">;

/** Whether all bits of any one list are as it says; `!NAME` must be absent. */
export function isBacked(
  backedBy: BackedField["backedBy"],
  has: (name: string) => boolean,
): boolean {
  const holds = (name: string) => (name.startsWith("!") ? !has(name.slice(1)) : has(name));
  return backedBy.some((names) => names.every(holds));
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
