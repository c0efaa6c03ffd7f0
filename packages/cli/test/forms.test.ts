/**
 * Every form in which a template can be named, with every command that takes one: all of them
 * boot a node with the same template, or refuse it with the same error.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtInTemplate, formatTemplate, type CpuTemplate } from "@evenkeel/core";
import { installDouble } from "@evenkeel/firecracker-double";
import { readTextFile, resolveTemplate, templateRequest } from "@evenkeel/host";
import { beforeAll, describe, expect, test } from "vitest";
import { loadProfile, run, sharedDirectory, CLX, ICX, type Outcome } from "./run.ts";

const VERSION = "1.14.1";
const directory = sharedDirectory();
const at = (...parts: readonly string[]) => join(directory, ...parts);

interface Plan {
  readonly classes: readonly { readonly nodes: readonly string[]; readonly template: string }[];
}

/** The file of a node's class, as the plan's JSON says; read here by hand. */
function plannedFile(plan: string, node: string): string {
  const { classes } = JSON.parse(readFileSync(join(plan, "plan.json"), "utf8")) as Plan;
  const found = classes.find(({ nodes }) => nodes.includes(node));
  return join(plan, found?.template ?? "none");
}

function write(name: string, text: string): string {
  writeFileSync(at(name), text);
  return at(name);
}

beforeAll(async () => {
  installDouble(at("versions"), { version: VERSION });
  await run(["plan", CLX, ICX, "--out", at("plan")]);
  await run(["plan", CLX, ICX, "--split", "2", "--out", at("split")]);
  await run(["plan", CLX, "--out", at("other")]);
  await run(["contract", ICX, "--out", at("contract.json")]);
  const t2cl = builtInTemplate("T2CL")?.templateFor("1.14");
  write("t2cl.json", formatTemplate(t2cl as CpuTemplate));
  const body = readFileSync(plannedFile(at("plan"), "xeon-silver-4314"), "utf8");
  write("file.json", body);
  write("vm.json", `{"machine-config": {}, "cpu-config": ${body}}`);
  write("bom.json", `\uFEFF${body}`);
  // Two pools that both have the node: nobody can say which of them is meant.
  mkdirSync(at("twice", "pool-1"), { recursive: true });
  symlinkSync(at("plan", "plan.json"), at("twice", "pool-1", "plan.json"));
  symlinkSync(at("other", "plan.json"), at("twice", "plan.json"));
  write(
    "escape.json",
    readFileSync(at("plan", "plan.json"), "utf8").replaceAll(/"templates\//g, '"../x/'),
  );
  write("typo.json", '{"cpuid_modifier": []}');
  write("cut.json", "{");
});

interface Command {
  readonly name: string;
  readonly run: (form: string, node: string) => Promise<Outcome>;
  /** What of the answer depends on the template, and not on what it is called. */
  readonly answer: (outcome: Outcome) => unknown;
}

function withoutNames(outcome: Outcome): unknown {
  const json = JSON.parse(outcome.stdout) as Record<string, unknown>;
  const { template: _, class: __, time: ___, shape: ____, digest: ______, ...rest } = json;
  const { entries: _____, ...facts } = rest;
  return { status: outcome.status, facts };
}

let installed = 0;

/** Installs a launcher; its answer is the template that the script carries. */
async function install(form: string, node: string): Promise<Outcome> {
  const launcher = at(`launcher-${(installed += 1)}`);
  const firecracker = at("versions", VERSION, "firecracker");
  const place = ["--firecracker", firecracker, "--at", launcher, "--allow-insecure"];
  const outcome = await run([
    "launcher",
    "install",
    ...place,
    "--template",
    form,
    "--node",
    node,
    "--json",
  ]);
  if (outcome.status !== 0) return outcome;
  const script = readFileSync(launcher, "utf8");
  const template = /^my \$template = .*$/m.exec(script)?.[0];
  return { ...outcome, stdout: JSON.stringify({ template, json: outcome.stdout }) };
}

const release = ["--firecracker", VERSION];

const COMMANDS: readonly Command[] = [
  {
    name: "show",
    run: (form, node) => run(["show", form, "--node", node, "--json"]),
    answer: withoutNames,
  },
  {
    name: "lint",
    run: (form, node) => run(["lint", form, "--node", node, ...release, "--json"]),
    answer: ({ stdout }) =>
      (JSON.parse(stdout) as { results: { findings: { rule: string; path: string }[] }[] }).results
        .flatMap(({ findings }) => findings)
        .filter(({ rule }) => rule !== "deprecated" && rule !== "static-model"),
  },
  {
    name: "contract",
    run: (form, node) => run(["contract", node, "--template", form, ...release, "--json"]),
    answer: withoutNames,
  },
  {
    name: "check",
    run: (form, node) =>
      run(["check", "--from", node, "--template", form, "--node", CLX, ICX, ...release, "--json"]),
    answer: withoutNames,
  },
  {
    name: "matrix",
    run: (form, node) => run(["matrix", node, "--template", form, ...release, "--json"]),
    answer: withoutNames,
  },
  {
    name: "launcher",
    run: install,
    answer: ({ stdout }) => (JSON.parse(stdout) as { template: string }).template,
  },
];

/** Each form with a template's file that says the same. */
const FORMS: readonly (readonly [form: () => string, same: () => string])[] = [
  [() => "T2CL", () => at("t2cl.json")],
  [() => at("file.json"), () => at("file.json")],
  [() => at("bom.json"), () => at("file.json")],
  [() => at("vm.json"), () => at("file.json")],
  [() => at("plan"), () => plannedFile(at("plan"), "xeon-silver-4314")],
  [() => at("plan", "plan.json"), () => plannedFile(at("plan"), "xeon-silver-4314")],
  [() => at("split"), () => plannedFile(at("split", "pool-2"), "xeon-silver-4314")],
  [() => at("split", "pool-2"), () => plannedFile(at("split", "pool-2"), "xeon-silver-4314")],
];

/** Warnings; that a built-in template is deprecated is said of a built-in one alone. */
function said({ stderr }: Outcome): string[] {
  return stderr.split("\n").filter((line) => !/^hint|deprecated/.test(line));
}

describe.each(COMMANDS)("$name", ({ run: runWith, answer }) => {
  test.each(FORMS)("form %#", async (form, same) => {
    const [asked, expected] = [await runWith(form(), ICX), await runWith(same(), ICX)];
    expect(said(asked)).toEqual(said(expected));
    expect(answer(asked)).toEqual(answer(expected));
  });
});

test("what the agent boots with is what the launcher carries", () => {
  const profile = loadProfile(ICX);
  const context = { profile, versions: [VERSION], allowInsecure: true, read: readTextFile };
  for (const path of [at("plan"), at("plan", "plan.json"), at("split"), at("split", "pool-2")]) {
    const { choice } = resolveTemplate(templateRequest({ EVENKEEL_PLAN: path }), context);
    const pool = path.includes("split") ? at("split", "pool-2") : at("plan");
    const text = readFileSync(plannedFile(pool, "xeon-silver-4314"), "utf8");
    expect(choice.kind === "template" && formatTemplate(choice.template)).toBe(text);
  }
});

interface Refusal {
  readonly form: () => string;
  readonly code: string;
  readonly status: number;
}

const REFUSALS: readonly Refusal[] = [
  { form: () => at("nowhere.json"), code: "TEMPLATE_MISSING", status: 2 },
  { form: () => "T2cl", code: "TEMPLATE_MISSING", status: 2 },
  { form: () => at("versions"), code: "TEMPLATE_MISSING", status: 2 },
  { form: () => CLX, code: "NOT_A_TEMPLATE", status: 2 },
  { form: () => at("contract.json"), code: "NOT_A_TEMPLATE", status: 2 },
  { form: () => at("typo.json"), code: "BAD_FIELD", status: 2 },
  { form: () => at("cut.json"), code: "NOT_JSON", status: 2 },
  { form: () => "README.md", code: "UNKNOWN_FORMAT", status: 2 },
  { form: () => at("escape.json"), code: "NOT_A_PLAN", status: 2 },
  { form: () => at("other"), code: "NODE_NOT_IN_PLAN", status: 1 },
  { form: () => at("split", "pool-1"), code: "NODE_NOT_IN_PLAN", status: 1 },
];

function codeOf({ stdout, status }: Outcome) {
  const { error } = JSON.parse(stdout) as { error?: { code: string } };
  return { code: error?.code, status };
}

describe.each(COMMANDS)("$name refuses", ({ run: runWith }) => {
  test.each(REFUSALS)("$code $#", async ({ form, code, status }) => {
    expect(codeOf(await runWith(form(), ICX))).toEqual({ code, status });
  });

  test("a node that is in two plans of a directory", async () => {
    expect(codeOf(await runWith(at("twice"), CLX))).toEqual({
      code: "NODE_NOT_IN_PLAN",
      status: 1,
    });
  });
});

/** Before KVM is opened: all that is wrong with a file whatever the node. */
test.each(REFUSALS.slice(0, 8))("verify refuses $code $#", async ({ form, code, status }) => {
  expect(codeOf(await run(["verify", form(), "--json"]))).toEqual({ code, status });
});
