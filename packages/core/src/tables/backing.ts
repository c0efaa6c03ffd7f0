/** What makes a promise true where the promised bit itself is missing. */
import type { CpuidField, MsrField } from "./field.ts";

export type BackedField = Pick<CpuidField | MsrField, "backedBy">;

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
