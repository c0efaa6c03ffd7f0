/**
 * A microVM's configuration, as `firecracker --config-file` reads it and `GET /vm/config` answers:
 * the CPU template that it sets.
 * Source: `VmmConfig` in Firecracker's src/vmm/src/resources.rs, v1.5.0 to v1.16.0.
 */
import { fail } from "../errors.ts";
import { armBuiltInTemplate } from "../firecracker/built-in.ts";
import { buildStaticTemplate } from "../firecracker/static-build.ts";
import { staticTemplateRow } from "../firecracker/static-templates.ts";
import { ALL_LINES } from "../tables/releases.ts";
import { isObject, kindOf, type JsonObject } from "../json/problems.ts";
import { parseTemplate } from "../template/parse.ts";
import type { CpuTemplate } from "../template/template.ts";

const MACHINE = "machine-config";
const CUSTOM = "cpu-config";

export function isVmConfig(json: JsonObject): boolean {
  return "boot-source" in json || MACHINE in json || CUSTOM in json;
}

function builtIn(name: string, path: string): CpuTemplate {
  const row = staticTemplateRow(name);
  if (row !== undefined) return buildStaticTemplate(row, ALL_LINES.at(-1) ?? "");
  return (
    armBuiltInTemplate(name) ?? fail("BAD_FIELD", `no built-in template is named "${name}"`, path)
  );
}

/** A custom template wins over a built-in one: Firecracker sets it last. */
export function readVmConfig(json: JsonObject): CpuTemplate {
  const custom = json[CUSTOM];
  if (typeof custom === "string") {
    const message = `names the template's file ${JSON.stringify(custom)}: give that file`;
    return fail("NOT_A_TEMPLATE", message, CUSTOM);
  }
  if (custom !== undefined && custom !== null) return parseTemplate(custom, CUSTOM);
  const machine = json[MACHINE] ?? {};
  if (!isObject(machine)) {
    return fail("BAD_FIELD", `must be an object, but is ${kindOf(machine)}`, MACHINE);
  }
  const name = machine["cpu_template"];
  const path = `${MACHINE}.cpu_template`;
  if (name === undefined || name === null || name === "None") {
    return fail("NOT_A_TEMPLATE", "the microVM's configuration sets no CPU template", path);
  }
  if (typeof name === "string") return builtIn(name, path);
  return fail("BAD_FIELD", `must be a string, but is ${kindOf(name)}`, path);
}
