/** Profiles of real machines, as they were probed: what the rest of the project makes of them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  ALL_LINES,
  formatProfile,
  ignoresTemplates,
  judge,
  lintTemplate,
  planPool,
  predictContract,
  readProfile,
  type NodeProfile,
} from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { probe } from "../src/probe/probe.ts";
import { hasKvm } from "./kvm-support.ts";

const directory = fileURLToPath(new URL("golden", import.meta.url));
const files = readdirSync(directory).filter((name) => name.endsWith(".json"));

function textOf(file: string): string {
  return readFileSync(join(directory, file), "utf8");
}

function golden(file: string): NodeProfile {
  return readProfile(JSON.parse(textOf(file)), "");
}

test.each(files)("%s is complete, says where it is from, and keeps its bytes", (file) => {
  const profile = golden(file);
  expect(formatProfile(profile)).toBe(textOf(file));
  expect(profile.incomplete).toEqual([]);
  expect(profile.provenance).toMatch(/^evenkeel probe on .+, 20\d\d-\d\d-\d\d/);
  expect(profile.host.bootId).toBeUndefined();
  expect(readFileSync(join(directory, "README.md"), "utf8")).toContain(`\`${file}\``);
});

describe("a machine that enforces templates", () => {
  const honest = golden("qemu-7.2-epyc-rome.json");

  test("is planned, linted and judged as any other", () => {
    const result = planPool([honest]);
    if (!result.ok) throw new Error("it must have a plan");
    expect(result.plan.proof.violations).toEqual([]);
    const template = result.plan.classes[0]?.template;
    if (template === undefined) throw new Error("a class has a template");
    const found = lintTemplate({ template, builtIn: undefined }, honest, ALL_LINES);
    expect(found?.filter(({ severity }) => severity === "error")).toEqual([]);
    const options = { firecracker: "1.14.1", vcpus: 2, smt: false, template };
    const predicted = predictContract(honest, options);
    if (!predicted.ok) throw new Error("it must boot");
    expect(judge(predicted.contract, honest, "1.14.1")).toMatchObject({ verdict: "compatible" });
  });
});

describe("a machine whose KVM ignores templates", () => {
  const pvm = golden("epyc-milan-pvm.json");

  test("is refused by plans, and no verdict on it is compatible", () => {
    expect(ignoresTemplates(pvm)).toBe(true);
    expect(planPool([pvm])).toMatchObject({ ok: false, refusals: [{ code: "unenforced" }] });
    const predicted = predictContract(pvm, { firecracker: "1.14.1", vcpus: 1, smt: false });
    if (!predicted.ok) throw new Error("it must boot");
    expect(judge(predicted.contract, pvm, "1.14.1").verdict).toBe("unknown");
  });
});

test.runIf(hasKvm)("this machine is what it was, if its profile is among them", async () => {
  const here = await probe();
  const same = files.map(golden).find(({ host, kvm }) => {
    const { kernel, cpuModel } = here.host;
    return (
      host.kernel === kernel && host.cpuModel === cpuModel && kvm?.backend === here.kvm?.backend
    );
  });
  if (same === undefined) {
    process.stderr.write("this machine's profile is not among the golden ones\n");
    return;
  }
  expect(here.cpu).toEqual(same.cpu);
  expect(here.kvm?.enforcement).toEqual(same.kvm?.enforcement);
});
