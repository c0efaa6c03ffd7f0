/** What has to be known of an aarch64 guest before anything is built on it. */
import type { ArmRegister } from "../../cpuid.ts";
import { ARM_FIELDS } from "../../tables/arm/lookup.ts";
import { isOlder, kernelLine } from "../../tables/kernels.ts";

/**
 * KVM has registers of its own that describe a guest's CPU since 4.15. Before, guests read the
 * CPU's, and nobody could change what they see.
 * Source: Linux 93390c0a1b20 ("arm64: KVM: Hide unsupported AArch64 CPU features from guests").
 */
const VIRTUAL_SINCE = "4.15";

export const OWN_REGISTERS =
  "its host kernel shows guests the CPU's own ID registers, and no template can change them";

/** Whether a guest's ID registers are the CPU's, so that its MIDR and REVIDR decide over them. */
export function showsOwnRegisters(kernel: string | undefined): boolean {
  const line = kernelLine(kernel);
  return line !== undefined && isOlder(line, VIRTUAL_SINCE);
}

const IDENTITY = ["MIDR_EL1", "REVIDR_EL1"];
const DESCRIPTION = ["PFR0", "PFR1", "DFR0", "ISAR0", "ISAR1", "MMFR0", "MMFR1", "MMFR2"].map(
  (name) => `ID_AA64${name}_EL1`,
);

function idOf(register: string): bigint | undefined {
  return ARM_FIELDS.find((field) => field.register === register)?.id;
}

/** Registers without which nothing can be said about a guest. */
const REQUIRED = ["MIDR_EL1", ...DESCRIPTION].map((register) => ({ register, id: idOf(register) }));
const REQUIRED_OF_OWN = IDENTITY.map((register) => ({ register, id: idOf(register) }));

interface ArmFacts {
  readonly incomplete: readonly string[];
  readonly cpu: { readonly registers: readonly ArmRegister[] };
  readonly host: { readonly kernel?: string | undefined };
}

/** What an aarch64 profile or contract lacks to be judged with; empty when nothing. */
export function missingArmFacts({ cpu, incomplete, host }: ArmFacts): string[] {
  const known = new Set<bigint | undefined>(cpu.registers.map(({ id }) => id));
  const required = showsOwnRegisters(host.kernel) ? REQUIRED_OF_OWN : REQUIRED;
  const absent = required.filter(({ id }) => !known.has(id));
  return [...incomplete, ...absent.map(({ register }) => `${register} is absent`)];
}

export function isDescribed(registers: ReadonlyMap<bigint, bigint>): boolean {
  return REQUIRED.every(({ id }) => id !== undefined && registers.has(id));
}
