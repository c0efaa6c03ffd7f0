/** Every CPU template that is built into Firecracker, of both architectures, by name. */
import { fieldBits } from "../bits.ts";
import { armFieldValues } from "../tables/arm/lookup.ts";
import { writeField } from "../tables/merge-rules.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../template/template.ts";
import { buildStaticTemplate } from "./static-build.ts";
import { STATIC_TEMPLATES, staticTemplateRow, type StaticTemplate } from "./static-templates.ts";

/**
 * The one for aarch64, as fields and values: Neoverse V1 shown as N1.
 * Source: src/vmm/src/cpu_config/aarch64/static_cpu_templates/v1n1.rs, v1.5.0 to v1.16.0.
 */
const V1N1 = {
  ID_AA64PFR0_EL1: "SVE=0 DIT=0",
  ID_AA64ISAR0_EL1: "SHA2=1 SHA3=0 SM3=0 SM4=0 FHM=0 TS=0 RNDR=0",
  ID_AA64ISAR1_EL1: "DPB=1 JSCVT=0 FCMA=0 LRCPC=1 BF16=0 DGH=0 I8MM=0",
  ID_AA64MMFR2_EL1: "AT=0",
};

/** The CPU model that a built-in template is made for. Source: docs/cpu_templates/cpu-templates.md. */
export function armBuiltInModel(name: string): string | undefined {
  return name === "V1N1" ? "Neoverse V1" : undefined;
}

export function armBuiltInTemplate(name: string): CpuTemplate | undefined {
  if (name !== "V1N1") return undefined;
  const regModifiers = Object.entries(V1N1).map(([register, text]) => {
    const fields = armFieldValues(register, text);
    return {
      addr: fields[0]?.field.id ?? 0n,
      mask: fields.reduce((bits, { field }) => bits | fieldBits(field), 0n),
      value: fields.reduce((word, { field, value }) => writeField(word, field, value), 0n),
    };
  });
  return { ...EMPTY_TEMPLATE, regModifiers };
}

export interface BuiltInTemplate {
  readonly name: string;
  /** Its row, with the models that Firecracker accepts it on; undefined for aarch64. */
  readonly row: StaticTemplate | undefined;
  /** As a release line has it: built-in templates have changed over time. */
  readonly templateFor: (line: string) => CpuTemplate;
}

export const BUILT_IN_NAMES: readonly string[] = [
  ...STATIC_TEMPLATES.map(({ name }) => name),
  "V1N1",
];

/** Undefined where Firecracker has no template of that name; names are case-sensitive. */
export function builtInTemplate(name: string): BuiltInTemplate | undefined {
  const row = staticTemplateRow(name);
  if (row !== undefined) {
    return { name, row, templateFor: (line) => buildStaticTemplate(row, line) };
  }
  const arm = armBuiltInTemplate(name);
  return arm === undefined ? undefined : { name, row, templateFor: () => arm };
}
