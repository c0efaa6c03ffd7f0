/** What makes a promise true where the promised bit itself is missing. */
import type { CpuidField, MsrField } from "./field.ts";

export type BackedField = Pick<CpuidField | MsrField, "backedBy">;

/** Whether all bits of any one list are as it says; `!NAME` must be absent. */
export function isBacked(
  backedBy: BackedField["backedBy"],
  has: (name: string) => boolean,
): boolean {
  const holds = (name: string) => (name.startsWith("!") ? !has(name.slice(1)) : has(name));
  return backedBy.some((names) => names.every(holds));
}
