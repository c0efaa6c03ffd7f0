/**
 * One answer: what `plan` calls one guest CPU, the linter, the verdicts, the matrix, the launcher's
 * check of a template and the agent's gate accept, and the moves that a plan bars are those that
 * they refuse.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  CATALOGUE,
  formatTemplate,
  judge,
  judgeMatrix,
  lintTemplate,
  matrixEntries,
  parseIdentity,
  parseJson,
  planPool,
  planToJson,
  predictContract,
  prettyJson,
  profileOf,
  readDocument,
  requireCatalogueProfile,
  type Plan,
  type CpuContract,
  type NodeProfile,
  type WhyNot,
} from "@evenkeel/core";
import { createFirecrackerDriver, resolveTemplate, type ResolvedTemplate } from "@evenkeel/host";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openGate } from "../src/cpu/gate.ts";
import { openEventLog } from "../src/events/log.ts";
import { openMetrics } from "../src/metrics.ts";
import { openReleases } from "../src/releases.ts";

const VERSION = "1.14.1";
const DATA = fileURLToPath(new URL("../../../../shared/data", import.meta.url));
const hasSharedData = existsSync(join(DATA, "fingerprints"));
if (!hasSharedData) {
  process.stderr.write("skipping pools of real fingerprints: ../shared/data is not there\n");
}

function fingerprints(): NodeProfile[] {
  const folders = [join(DATA, "fingerprints"), join(DATA, "fingerprints/history")];
  return folders
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((file) => file.endsWith(".json"))
    .map((file) => profileOf(readDocument(parseJson(readFileSync(file, "utf8")), basename(file))));
}

/** The catalogue's CPUs as if they had been measured. */
function catalogue(): NodeProfile[] {
  return CATALOGUE.flatMap(({ id }) =>
    ["5.10", "6.1", "6.18"].map((kernel) => ({
      ...requireCatalogueProfile(`${id}@${kernel}`),
      estimate: false,
    })),
  );
}

/** A bit of a CPUID word switched off, as by another firmware, microcode or kernel. */
function without(profile: NodeProfile, choice: number): NodeProfile {
  const { cpu } = profile;
  const at = choice % Math.max(cpu.cpuid.length, 1);
  const bit = (choice >>> 8) % 32;
  const cpuid = cpu.cpuid.map((entry, i) =>
    i === at && entry.leaf === 7 ? { ...entry, ebx: (entry.ebx & ~(1 << bit)) >>> 0 } : entry,
  );
  return { ...profile, cpu: { ...cpu, cpuid } };
}

/** Pools of one vendor, of one to four nodes, each perhaps without a bit. */
function pools(profiles: readonly NodeProfile[]) {
  const kindOf = ({ cpu }: NodeProfile) =>
    cpu.arch === "aarch64" ? cpu.arch : cpu.cpuid.find(({ leaf }) => leaf === 0)?.ebx;
  const kinds = [...new Set(profiles.map(kindOf))];
  const node = (kind: unknown) =>
    fc.tuple(
      fc.constantFrom(...profiles.filter((profile) => kindOf(profile) === kind)),
      fc.option(fc.nat({ max: 0xffff }), { nil: undefined, freq: 3 }),
    );
  return fc
    .constantFrom(...kinds)
    .chain((kind) => fc.array(node(kind), { minLength: 1, maxLength: 4 }))
    .map((chosen) =>
      chosen.map(([profile, bit], i) => {
        const changed = bit === undefined ? profile : without(profile, bit);
        return { ...changed, name: `node-${i}`, firecracker: [VERSION] };
      }),
    );
}

/** What the launcher and the agent make of the plan's files on a node. */
function resolved(plan: Plan, profile: NodeProfile): ResolvedTemplate {
  const { classes } = plan;
  const files = new Map([
    [join("plan", "plan.json"), prettyJson(planToJson(plan))],
    ...classes.map(({ file, template }) => [join("plan", file), formatTemplate(template)] as const),
  ]);
  return resolveTemplate(
    { kind: "plan", path: "plan" },
    { profile, versions: [VERSION], allowInsecure: false, read: (path) => files.get(path) },
  );
}

function contractOf(profile: NodeProfile, cpu: ResolvedTemplate): CpuContract {
  const template = cpu.templateFor(VERSION);
  const result = predictContract(profile, {
    firecracker: VERSION,
    vcpus: 2,
    smt: false,
    ...(template === undefined ? {} : { template }),
    ...(cpu.class === undefined ? {} : { class: cpu.class }),
    ...(cpu.plan === undefined ? {} : { plan: cpu.plan }),
  });
  if (!result.ok) throw new Error(`${profile.name} does not boot: ${result.missing.join()}`);
  return result.contract;
}

function gateOf(profile: NodeProfile, cpu: ResolvedTemplate) {
  const metrics = openMetrics();
  const events = openEventLog(10, () => {});
  const driver = createFirecrackerDriver({ binary: "/nowhere", version: VERSION });
  return openGate({
    profileNow: () => profile,
    releases: openReleases({ version: VERSION, driver }),
    allowUnknown: false,
    cpuNow: () => cpu,
    events,
    metrics,
  });
}

function admits(gate: ReturnType<typeof gateOf>, contract: CpuContract): boolean {
  try {
    gate.admit({ snapshot: "s", sandbox: "b", contract }, undefined);
    return true;
  } catch {
    return false;
  }
}

function stands(reasons: readonly WhyNot[], from: string, to: string): boolean {
  const is = (labels: readonly string[], id: string) =>
    labels.some((label) => label === id || label.startsWith(`${id}@`));
  return reasons.some(({ moves }) => moves.some((m) => is(m.from, from) && is(m.to, to)));
}

function holds(plan: Plan, profiles: readonly NodeProfile[]): void {
  const cpus = profiles.map((profile) => resolved(plan, profile));
  const contracts = profiles.map((profile, i) =>
    contractOf(profile, cpus[i] ?? resolved(plan, profile)),
  );
  for (const [i, profile] of profiles.entries()) {
    const template = cpus[i]?.templateFor(VERSION);
    if (template === undefined) throw new Error("a plan has a template for each of its nodes");
    const found = lintTemplate({ template, builtIn: undefined }, profile, plan.firecracker);
    expect(found?.filter(({ severity }) => severity === "error")).toEqual([]);
  }
  const byName = new Map(profiles.map((profile, i) => [profile.name, contracts[i]]));
  const matrix = new Map(
    judgeMatrix(
      matrixEntries(profiles, ({ name }) => byName.get(name) as CpuContract),
      VERSION,
    ).map((pair) => [`${pair.from} ${pair.to}`, pair.verdict]),
  );
  expect(matrix.size).toBeGreaterThan(0);
  for (const [i, contract] of contracts.entries()) {
    for (const [j, to] of profiles.entries()) {
      const { verdict } = judge(contract, to, VERSION);
      const [fromClass = "", toClass = ""] = [cpus[i]?.class, cpus[j]?.class];
      const barred = stands(plan.moves.barred, fromClass, toClass);
      if (verdict !== "compatible") expect(barred).toBe(true);
      const cpu = cpus[j];
      if (cpu !== undefined) {
        expect(admits(gateOf(to, cpu), contract)).toBe(verdict === "compatible");
      }
    }
  }
  // Nothing is barred that no pair of nodes meets.
  const refused = [...matrix.values()].some((verdict) => verdict !== "compatible");
  expect(plan.moves.barred.length > 0).toBe(refused);
}

const OPTIONS = { identity: parseIdentity("oldest"), firecracker: ["1.14"] };

function oneAnswer(profiles: readonly NodeProfile[], runs: number): number {
  let planned = 0;
  fc.assert(
    fc.property(pools(profiles), (pool) => {
      const result = planPool(pool, OPTIONS);
      if (!result.ok) return;
      planned += 1;
      holds(result.plan, pool);
    }),
    { numRuns: runs },
  );
  return planned;
}

describe("every command accepts what plan calls one guest CPU", () => {
  test("pools of catalogue models", () => {
    expect(oneAnswer(catalogue(), 40)).toBeGreaterThan(12);
  });

  test.skipIf(!hasSharedData)("pools of real fingerprints", () => {
    expect(oneAnswer(fingerprints(), 40)).toBeGreaterThan(12);
  });

  test.skipIf(!hasSharedData)("every real node is a pool of its own", () => {
    for (const profile of fingerprints()) {
      const result = planPool([{ ...profile, firecracker: [VERSION] }], OPTIONS);
      const refusals = result.ok ? [] : result.refusals.map(({ message }) => message);
      expect([profile.name, refusals]).toEqual([profile.name, []]);
    }
  });
});

test("what was accepted is recorded, and the launcher and the gate honour it, and no more", () => {
  const pool = ["rome", "milan"].map((id) => ({
    ...requireCatalogueProfile(`${id}@6.1`),
    name: id,
    estimate: false,
    firecracker: [VERSION],
  }));
  expect(planPool(pool, OPTIONS)).toMatchObject({ ok: false, refusals: [{ code: "verdict" }] });
  expect(planPool(pool, { ...OPTIONS, accept: "unknown" }).ok).toBe(false);
  const result = planPool(pool, { ...OPTIONS, accept: "insecure" });
  if (!result.ok) throw new Error("an operator accepted it");
  const { plan } = result;
  expect(plan.moves.accepted).toMatchObject({
    verdict: "insecure",
    reasons: [{ rule: "identity" }],
  });
  const [rome, milan] = pool;
  if (rome === undefined || milan === undefined) throw new Error("two nodes");
  const cpu = resolved(plan, milan);
  const contract = contractOf(rome, resolved(plan, rome));
  expect(judge(contract, milan, VERSION).verdict).toBe("insecure");
  expect(admits(gateOf(milan, cpu), contract)).toBe(true);
  // Another plan's snapshot, and one that a class took which the plan does not have.
  expect(admits(gateOf(milan, cpu), { ...contract, plan: "another" })).toBe(false);
  expect(admits(gateOf(milan, cpu), { ...contract, class: "naples-123456" })).toBe(false);
  // What was not accepted: a feature that the node does not have.
  const cpuid = contract.cpuid.map((entry) =>
    entry.leaf === 7 && entry.subleaf === 0 ? { ...entry, ebx: entry.ebx | (1 << 16) } : entry,
  );
  expect(admits(gateOf(milan, cpu), { ...contract, cpuid })).toBe(false);
});
