/** Every CPU template that is built into Firecracker, of both architectures, by name. */
import type { CpuTemplate } from "../template/template.ts";
import { ARM_BUILT_IN_NAMES, armBuiltInTemplate } from "./static-arm.ts";
import { buildStaticTemplate } from "./static-build.ts";
import { STATIC_TEMPLATES, staticTemplateRow, type StaticTemplate } from "./static-templates.ts";

export interface BuiltInTemplate {
  readonly name: string;
  /** Its row, with the models that Firecracker accepts it on; undefined for aarch64. */
  readonly row: StaticTemplate | undefined;
  /** As a release line has it: built-in templates have changed over time. */
  readonly templateFor: (line: string) => CpuTemplate;
}

export const BUILT_IN_NAMES: readonly string[] = [
  ...STATIC_TEMPLATES.map(({ name }) => name),
  ...ARM_BUILT_IN_NAMES,
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
