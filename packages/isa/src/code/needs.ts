/** Which features an instruction makes a program need: what a scan counts. */
import { CodeExt, Mnemonic, type Code } from "iced-x86";
import { BASELINE } from "../features/baseline.ts";
import { requirementsOf } from "../features/requirements.ts";

/**
 * GCC writes `rep bsf`, which is TZCNT, in code for every x86-64 CPU too: where the operand is not
 * zero, BSF has the same result (https://gcc.gnu.org/pipermail/gcc-patches/2012-July/365060.html).
 * So it says nothing about what a program needs.
 */
function isAmbiguous(code: Code): boolean {
  const info = CodeExt.opCode(code);
  try {
    return info.mnemonic === Mnemonic.Tzcnt;
  } finally {
    info.free();
  }
}

/** The features without which the instruction faults or computes something else, sorted. */
export function needsOf(code: Code): readonly string[] {
  const { features, oneOf, without } = requirementsOf(code);
  if (without === "no-op" || without === "harmless" || isAmbiguous(code)) return [];
  const needed = [...features, ...oneOf.slice(0, 1)];
  return needed.filter((name) => !BASELINE.has(name)).toSorted();
}
