/** Names of CPUs by MIDR_EL1. Source: Linux arch/arm64/include/asm/cputype.h. */
import type { ArmRegister } from "../../cpuid.ts";
import { MIDR_EL1 } from "./others.ts";

const ARM_LIMITED = 0x41n;

const PARTS: ReadonlyMap<bigint, string> = new Map([
  [0xd08n, "Cortex-A72"],
  [0xd0bn, "Cortex-A76"],
  [0xd0cn, "Neoverse N1"],
  [0xd40n, "Neoverse V1"],
  [0xd49n, "Neoverse N2"],
  [0xd4fn, "Neoverse V2"],
  [0xd84n, "Neoverse V3"],
  [0xd8en, "Neoverse N3"],
]);

/** `Neoverse N1`, or the numbers where the part is not known. */
export function armModel(midr: bigint): string {
  const implementer = (midr >> 24n) & 0xffn;
  const part = (midr >> 4n) & 0xfffn;
  const name = implementer === ARM_LIMITED ? PARTS.get(part) : undefined;
  return name ?? `implementer 0x${implementer.toString(16)} part 0x${part.toString(16)}`;
}

export function midrOf(registers: readonly ArmRegister[]): bigint | undefined {
  return registers.find(({ id }) => id === MIDR_EL1)?.value;
}

/** `Neoverse V1 (MIDR 0x411fd401)`; undefined where MIDR_EL1 is not among the registers. */
export function armModelText(registers: readonly ArmRegister[]): string | undefined {
  const midr = midrOf(registers);
  return midr === undefined ? undefined : `${armModel(midr)} (MIDR 0x${midr.toString(16)})`;
}
