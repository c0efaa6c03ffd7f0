import { expect, test } from "vitest";
import { readText, type ReadOptions } from "../src/read/text.ts";
import { buildStaticTemplate } from "../src/firecracker/static-build.ts";
import { staticTemplateRow } from "../src/firecracker/static-templates.ts";
import { refusalOf } from "./raw-support.ts";

const options: ReadOptions = { name: "n" };
const boot = { "boot-source": { kernel_image_path: "vmlinux" }, drives: [] };
const custom = { msr_modifiers: [{ addr: "0x10a", bitmap: "0b1" }] };

test("the custom template of a microVM's configuration", () => {
  const config = { ...boot, "machine-config": { cpu_template: "T2" }, "cpu-config": custom };
  const alone = readText(JSON.stringify(custom), options);
  expect(readText(JSON.stringify(config), options)).toEqual(alone);
});

test("the built-in template of a microVM's configuration", () => {
  const config = { ...boot, "machine-config": { vcpu_count: 1, cpu_template: "T2CL" } };
  const row = staticTemplateRow("T2CL");
  if (row === undefined) throw new Error("must be known");
  const template = buildStaticTemplate(row, "1.16");
  expect(readText(JSON.stringify(config), options)).toEqual({ kind: "template", template });
});

test.each([
  [{}, "NOT_A_TEMPLATE machine-config.cpu_template: the microVM's configuration sets no"],
  [{ "machine-config": { cpu_template: "None" } }, "NOT_A_TEMPLATE machine-config.cpu_template"],
  [
    { "machine-config": { cpu_template: "T9" } },
    'BAD_FIELD machine-config.cpu_template: no built-in template is named "T9"',
  ],
  [{ "machine-config": { cpu_template: 3 } }, "must be a string, but is a number"],
  [{ "machine-config": 3 }, "BAD_FIELD machine-config: must be an object"],
  [{ "cpu-config": "t.json" }, 'NOT_A_TEMPLATE cpu-config: names the template\'s file "t.json"'],
  [{ "cpu-config": { msr_modifiers: 3 } }, "BAD_FIELD cpu-config.msr_modifiers: must be a list"],
])("%j is refused with its place", (config, expected) => {
  expect(refusalOf(JSON.stringify({ ...boot, ...config }))).toContain(expected);
});
