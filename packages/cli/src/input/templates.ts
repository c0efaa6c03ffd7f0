/** A CPU template that a person names: a file, or one that is built into Firecracker. */
import { existsSync } from "node:fs";
import {
  armBuiltInTemplate,
  buildStaticTemplate,
  staticTemplateRow,
  type CpuTemplate,
  type StaticTemplate,
} from "@evenkeel/core";
import { loadTemplate } from "./shape.ts";

export interface NamedTemplate {
  /** Built-in templates differ between release lines. */
  readonly templateFor: (line: string) => CpuTemplate;
  /** The built-in template it is, if it is one. */
  readonly builtIn: StaticTemplate | undefined;
  /** The name of the built-in template for aarch64 it is, if it is one. */
  readonly armBuiltIn?: string;
}

/** A built-in template by its name, unless there is a file of that name. */
export function namedTemplate(name: string): NamedTemplate {
  const isFile = existsSync(name);
  const arm = isFile ? undefined : armBuiltInTemplate(name);
  if (arm !== undefined) return { templateFor: () => arm, builtIn: undefined, armBuiltIn: name };
  const row = isFile ? undefined : staticTemplateRow(name);
  if (row !== undefined) {
    return { templateFor: (line) => buildStaticTemplate(row, line), builtIn: row };
  }
  const template = loadTemplate(name);
  return { templateFor: () => template, builtIn: undefined };
}
