/** The recipes, each read by the tool that it is for, or by a parser of its language. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { openMetrics } from "../../packages/agent/src/metrics.ts";
import { parseOnly } from "../../packages/cli/test/parse-only.ts";

/** Its types bring those of browsers, which contradict Node's. */
const require = createRequire(import.meta.url);
const { parse: parseHcl } = require("@cdktf/hcl2json") as {
  parse: (name: string, text: string) => Promise<unknown>;
};

const RECIPES = fileURLToPath(new URL("../../recipes/", import.meta.url));
const read = (path: string) => readFileSync(join(RECIPES, path), "utf8");

function promtool(args: readonly string[], input = "") {
  const options = { input, encoding: "utf8" } as const;
  const { error, status, stdout, stderr } = spawnSync("promtool", args, options);
  if (error === undefined) return { status, text: stdout + stderr };
  if (process.env["CI"] === "true") throw error;
  process.stdout.write("promtool is not here: rules and figures are not tried\n");
  return undefined;
}

/** What the agent shows before anything has happened, but for what it looks up. */
const GAUGES = ["evenkeel_sandboxes", "evenkeel_snapshots", "evenkeel_data_free_bytes"];
const PAGE = openMetrics().page(
  [...GAUGES, "process_resident_memory_bytes"].map((name) => ({
    name,
    help: "A figure.",
    read: () => [[{}, 0]] as const,
  })),
);

test("promtool takes the rules, and they fire on a first refusal", () => {
  for (const args of [
    ["check", "rules", join(RECIPES, "prometheus/alerts.yaml")],
    ["test", "rules", join(RECIPES, "prometheus/alerts.test.yaml")],
  ]) {
    const { status, text } = promtool(args) ?? { status: 0, text: "" };
    expect([text, status]).toEqual([text, 0]);
  }
});

test("promtool takes the agent's page, on which every counter is there from the start", () => {
  const { status, text } = promtool(["check", "metrics"], PAGE) ?? { status: 0, text: "" };
  expect([status, text]).toEqual([0, ""]);
  expect(PAGE).toContain('evenkeel_verdicts_total{verdict="incompatible",result="refused"} 0\n');
  expect(PAGE).toContain('evenkeel_operation_seconds_count{operation="resume"} 0\n');
  expect(PAGE).toContain('evenkeel_events_total{type="guest.crashed"} 0\n');
});

/** Each name and, where a query picks one, each label's value. */
function missingIn(query: string): string[] {
  const names = [...query.matchAll(/\b(?:evenkeel|process)_[a-z_]+/g)].map(([name]) => name);
  const values = [...query.matchAll(/(?:type|operation|result)="([^"]+)"/g)].map(
    ([whole]) => whole,
  );
  return [...names, ...values].filter((text) => !PAGE.includes(text));
}

test("rules and the dashboard ask for nothing that the agent does not show", () => {
  const [agents = ""] = read("prometheus/alerts.yaml").split("name: evenkeel-server");
  const queries = [...agents.matchAll(/expr: (\|\n(?: {10}.*\n)+|.*)/g)];
  const dashboard = JSON.parse(read("grafana/evenkeel.json")) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  const shown = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  expect([queries.length, shown.length]).toEqual([9, 9]);
  for (const query of [...queries.map(([, text = ""]) => text), ...shown]) {
    expect([query, missingIn(query)]).toEqual([query, []]);
  }
});

test.each(["evenkeel", "fleet"])("promtool takes the queries of %s.json as rules", (name) => {
  const { panels } = JSON.parse(read(`grafana/${name}.json`)) as {
    panels: { targets: { expr: string }[] }[];
  };
  const rules = panels.flatMap(({ targets }) =>
    targets.map(({ expr }, i) => ({ record: `q:${i}`, expr: expr.replaceAll("$instance", ".*") })),
  );
  const file = join(tmpdir(), `evenkeel-dashboard-${process.pid}.json`);
  const labelled = rules.map((rule, i) => ({ ...rule, record: `dashboard:query${i}` }));
  writeFileSync(file, JSON.stringify({ groups: [{ name: "dashboard", rules: labelled }] }));
  const { status, text } = promtool(["check", "rules", file]) ?? { status: 0, text: "" };
  expect([text, status]).toEqual([text, 0]);
});

interface Manifest {
  readonly kind: string;
  readonly resources?: readonly string[];
  readonly spec?: { template?: { spec: PodSpec } };
}

interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes: readonly { readonly name: string; hostPath?: { path: string } }[];
}

interface Container {
  readonly args: readonly string[];
  readonly volumeMounts: readonly { readonly name: string }[];
}

function manifests(directory: string): Manifest[] {
  return readdirSync(join(RECIPES, directory)).flatMap((name) =>
    parseAllDocuments(read(join(directory, name)), { strict: true }).map((document) => {
      expect([name, document.errors, document.warnings]).toEqual([name, [], []]);
      return document.toJS() as Manifest;
    }),
  );
}

test.each(["kubernetes/agent", "kubernetes/server"])("%s is whole", async (directory) => {
  const all = manifests(directory);
  const kustomization = all.find(({ kind }) => kind === "Kustomization");
  const files = readdirSync(join(RECIPES, directory)).filter((name) => !name.startsWith("kustom"));
  expect(kustomization?.resources?.toSorted()).toEqual(files.toSorted());
  const pods = all.flatMap(({ spec }) => spec?.template?.spec ?? []);
  expect(pods).toHaveLength(1);
  for (const { containers, initContainers = [], volumes } of pods) {
    const known = new Set(volumes.map(({ name }) => name));
    for (const { args, volumeMounts } of [...containers, ...initContainers]) {
      await expect(parseOnly(args)).resolves.toBeUndefined();
      for (const { name } of volumeMounts) expect(known).toContain(name);
    }
  }
});

test("the DaemonSet has /dev/kvm", () => {
  const pods = manifests("kubernetes/agent").flatMap(({ spec }) => spec?.template?.spec ?? []);
  expect(pods[0]?.volumes).toContainEqual(
    expect.objectContaining({ hostPath: { path: "/dev/kvm", type: "CharDevice" } }),
  );
});

test("Nomad's job is HCL, and starts commands that there are", async () => {
  const name = "evenkeel-agent.nomad.hcl";
  const parsed = (await parseHcl(name, read(`nomad/${name}`))) as {
    job: Record<string, [{ type: string; group: Record<string, [{ task: object }]> }]>;
  };
  const [job] = parsed.job["evenkeel-agent"] ?? [];
  expect(job?.type).toBe("system");
  expect(Object.keys(job?.group["agent"]?.[0].task ?? {})).toEqual(["agent", "labels"]);
  expect(read(`nomad/${name}`)).toContain("evenkeel labels --plan ${var.plan} --pool ${var.pool}");
  const labels = parseOnly(["labels", "--plan", "p", "--pool", "q"]);
  await expect(labels).resolves.toBeUndefined();
});
