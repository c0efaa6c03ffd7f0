/**
 * Firecracker's built-in template for aarch64, as fields and values: Neoverse V1 shown as N1.
 * Source: src/vmm/src/cpu_config/aarch64/static_cpu_templates/v1n1.rs, v1.5.0 to v1.16.0.
 */
import { armFields, ARM_FIELDS } from "../tables/arm/lookup.ts";
import { fieldBits } from "../bits.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../template/template.ts";

type FieldValue = readonly [register: string, field: string, value: number];

const V1N1: readonly FieldValue[] = [
  ["ID_AA64PFR0_EL1", "SVE", 0],
  ["ID_AA64PFR0_EL1", "DIT", 0],
  ["ID_AA64ISAR0_EL1", "SHA2", 1],
  ["ID_AA64ISAR0_EL1", "SHA3", 0],
  ["ID_AA64ISAR0_EL1", "SM3", 0],
  ["ID_AA64ISAR0_EL1", "SM4", 0],
  ["ID_AA64ISAR0_EL1", "FHM", 0],
  ["ID_AA64ISAR0_EL1", "TS", 0],
  ["ID_AA64ISAR0_EL1", "RNDR", 0],
  ["ID_AA64ISAR1_EL1", "DPB", 1],
  ["ID_AA64ISAR1_EL1", "JSCVT", 0],
  ["ID_AA64ISAR1_EL1", "FCMA", 0],
  ["ID_AA64ISAR1_EL1", "LRCPC", 1],
  ["ID_AA64ISAR1_EL1", "BF16", 0],
  ["ID_AA64ISAR1_EL1", "DGH", 0],
  ["ID_AA64ISAR1_EL1", "I8MM", 0],
  ["ID_AA64MMFR2_EL1", "AT", 0],
];

export const ARM_BUILT_IN_NAMES: readonly string[] = ["V1N1"];

/** The CPU model that a built-in template is made for. Source: docs/cpu_templates/cpu-templates.md. */
export function armBuiltInModel(name: string): string | undefined {
  return name === "V1N1" ? "Neoverse V1" : undefined;
}

/** The template by its name; undefined where there is none. */
export function armBuiltInTemplate(name: string): CpuTemplate | undefined {
  if (name !== "V1N1") return undefined;
  const words = new Map<bigint, { mask: bigint; value: bigint }>();
  for (const [register, fieldName, value] of V1N1) {
    const id = ARM_FIELDS.find((field) => field.register === register)?.id ?? 0n;
    const field = armFields(id).find((f) => f.name === fieldName);
    if (field === undefined) throw new Error(`no row for ${register}.${fieldName}`);
    const before = words.get(id) ?? { mask: 0n, value: 0n };
    words.set(id, {
      mask: before.mask | fieldBits(field),
      value: before.value | (BigInt(value) << BigInt(field.lo)),
    });
  }
  const regModifiers = [...words]
    .map(([addr, bitmap]) => ({ addr, ...bitmap }))
    .toSorted((a, b) => (a.addr < b.addr ? -1 : 1));
  return { ...EMPTY_TEMPLATE, regModifiers };
}
