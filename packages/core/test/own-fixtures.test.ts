/**
 * One answer over the repository's own profiles: probes of real and emulated machines, and the
 * example pools. A node takes its own snapshots; what `plan` calls one guest CPU, lint and verdicts
 * accept. Nothing outside of the repository is needed.
 */
import { describe, expect, test } from "vitest";
import {
  ALL_LINES,
  planToJson,
  findPlannedClass,
  formatTemplate,
  ignoresTemplates,
  judge,
  lintTemplate,
  planPool,
  predictContract,
  prettyJson,
  readText,
  type CpuTemplate,
  type NodeProfile,
} from "../src/index.ts";
import { OWN_FOLDERS, profilesIn } from "./own-profiles.ts";

const VERSION = "1.14.1";

const all = OWN_FOLDERS.flatMap((folder) => profilesIn(folder, VERSION));
const nodes = all.filter((profile) => !ignoresTemplates(profile));

function kindOf({ cpu }: NodeProfile): string {
  const vendor = cpu.arch === "x86_64" ? cpu.cpuid.find(({ leaf }) => leaf === 0)?.ebx : "";
  return `${cpu.arch} ${vendor}`;
}

/** Every pair of a kind, each node with itself too. */
const pairs = nodes.flatMap((a, i) =>
  nodes.slice(i).flatMap((b) => (kindOf(a) === kindOf(b) ? [[a, b] as const] : [])),
);

function contractOn(profile: NodeProfile, template?: CpuTemplate) {
  const boot = { firecracker: VERSION, vcpus: 2, smt: false };
  const result = predictContract(profile, template === undefined ? boot : { ...boot, template });
  if (!result.ok) throw new Error(`${profile.name} does not boot: ${result.missing.join()}`);
  return result.contract;
}

/** What stands against a node's template, in lint's words. */
function errorsOf(template: CpuTemplate, node: NodeProfile): string[] {
  const findings = lintTemplate({ template, builtIn: undefined }, node, ALL_LINES);
  if (findings === undefined) throw new Error(`nothing is known of ${node.name}`);
  return findings.filter(({ severity }) => severity === "error").map(({ message }) => message);
}

test("there are nodes of both vendors and both architectures", () => {
  expect(new Set(nodes.map(kindOf)).size).toBe(3);
  expect(nodes.length).toBeGreaterThan(12);
});

test.each(nodes.map((node) => [node.name, node] as const))(
  "%s takes its own snapshots",
  (_, node) => {
    expect(judge(contractOn(node), node, VERSION)).toMatchObject({ verdict: "compatible" });
  },
);

interface Place {
  readonly node: NodeProfile;
  readonly template: CpuTemplate;
}

interface Planned {
  readonly names: string;
  readonly places: readonly Place[];
}

const planned: Planned[] = pairs.flatMap((pair) => {
  const members = [...new Set(pair)].map((node, i) => ({ ...node, name: `${i} ${node.name}` }));
  const result = planPool(members);
  if (!result.ok) return [];
  // As a command reads it back: by its file, and a node's class by what the node offers.
  const file = readText(prettyJson(planToJson(result.plan)));
  if (file.kind !== "plan") throw new Error("a plan is a plan");
  const classes: readonly { file: string; template: CpuTemplate }[] = result.plan.classes;
  const places = members.map((node): Place => {
    const match = findPlannedClass(file.plan, node);
    const found = classes.find(
      (one) => match.kind === "found" && one.file === match.planned.template,
    );
    if (found === undefined) throw new Error(`no class has ${node.name}`);
    return { node, template: found.template };
  });
  return [{ names: members.map(({ name }) => name).join(", "), places }];
});

test("most pools can be planned, two of them of unlike CPUs at least", () => {
  expect(planned.length).toBeGreaterThan(nodes.length);
  expect(
    planned.filter(({ places }) => new Set(places.map(({ template }) => template)).size > 1).length,
  ).toBeGreaterThan(1);
});

describe.each(planned)("the plan of $names", ({ places }) => {
  test("is what lint accepts on each node", () => {
    const errors = places.flatMap(({ node, template }) => errorsOf(template, node));
    expect(errors).toEqual([]);
  });

  test("moves snapshots both ways", () => {
    const contracts = places.map(({ node, template }) => contractOn(node, template));
    const verdicts = contracts.flatMap((contract) =>
      places.map(({ node }) => judge(contract, node, VERSION)),
    );
    expect(
      verdicts.flatMap(({ findings }) => findings.filter(({ severity }) => severity !== "note")),
    ).toEqual([]);
    expect(new Set(verdicts.map(({ verdict }) => verdict))).toEqual(new Set(["compatible"]));
  });
});

/** A defect planted in a template: a bit that is hidden, or set though the node lacks it. */
function flipped(template: CpuTemplate, leaf: number, register: string, bit: number): CpuTemplate {
  const cpuidModifiers = template.cpuidModifiers.map((entry) =>
    entry.leaf !== leaf || entry.subleaf !== 0
      ? entry
      : {
          ...entry,
          modifiers: entry.modifiers.map((modifier) =>
            modifier.register === register
              ? {
                  ...modifier,
                  mask: (modifier.mask | (1 << bit)) >>> 0,
                  value: (modifier.value ^ (1 << bit)) >>> 0,
                }
              : modifier,
          ),
        },
  );
  return { ...template, cpuidModifiers };
}

test("a template with one wrong bit is found", () => {
  const x86 = planned.flatMap(({ places }) =>
    places.filter(({ template }) => template.cpuidModifiers.some(({ leaf }) => leaf === 7)),
  );
  expect(x86.length).toBeGreaterThan(0);
  for (const { node, template } of x86) {
    // AVX512ER, which only Xeon Phi has: set, and nothing backs it.
    const wrong = flipped(template, 7, "ebx", 27);
    expect(formatTemplate(wrong)).not.toBe(formatTemplate(template));
    const found = lintTemplate({ template: wrong, builtIn: undefined }, node, ALL_LINES) ?? [];
    expect(found.map(({ rule }) => rule)).toContain("unbacked");
  }
});
