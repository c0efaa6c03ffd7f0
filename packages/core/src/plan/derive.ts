/** Numbers that follow from the features left: XSAVE sizes and address widths. */
import { STATE_COMPONENTS } from "../tables/cpuid/xsave.ts";
import type { Merged } from "./merge.ts";

/** Legacy region and XSAVE header, in bytes. Source: Intel SDM vol. 1, 13.4.1 and 13.4.2. */
const XSAVE_HEADER_END = 576;
const LINEAR_BITS_4_LEVELS = 48;

/** The size of the standard-format XSAVE area for all user components of the pool, in bytes. */
function xsaveSize(value: (name: string) => number): number {
  if (value("XSAVE") === 0) return 0;
  const ends = STATE_COMPONENTS.filter((c) => c.in === "xcr0" && value(c.name) !== 0).map(
    ({ name }) => value(`${name}_OFFSET`) + value(`${name}_SIZE`),
  );
  return Math.max(XSAVE_HEADER_END, ...ends);
}

export function derive(merged: Merged): void {
  const byName = new Map(merged.fields.map((f) => [f.field.name, f]));
  const value = (name: string) => Number(byName.get(name)?.value ?? 0n);
  const size = byName.get("XSAVE_SIZE_MAX");
  if (size !== undefined) size.value = BigInt(xsaveSize(value));
  const linear = byName.get("LINEAR_ADDRESS_BITS");
  if (linear !== undefined && value("LA57") === 0) {
    linear.value = BigInt(Math.min(Number(linear.value), LINEAR_BITS_4_LEVELS));
  }
}
