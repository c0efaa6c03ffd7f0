import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { CLX, ICX, ROOT, run, temporaryDirectory } from "./run.ts";

async function planned(): Promise<string> {
  const directory = temporaryDirectory();
  expect((await run(["plan", CLX, ICX, "-o", directory])).status).toBe(0);
  return directory;
}

test("a node that leaves strands what it alone can resume: exit code 1, and by which feature", async () => {
  const { status, stdout } = await run(["simulate", CLX, ICX, "--remove", "xeon-silver-4314"]);
  expect(status).toBe(1);
  expect(stdout).toContain("2 nodes → 1 node\n1 snapshot stranded.\n");
  expect(stdout).toMatch(/ice-lake\S+ +stranded +1 → 0 /);
  expect(stdout).toMatch(/AVX512_\w+ \(1 node\)/);
});

test("with the plan nothing is stranded, and the one class that is left is named", async () => {
  const plan = await planned();
  const args = ["simulate", CLX, ICX, "--plan", plan, "--remove", "xeon-silver-4314"];
  const { status, stdout } = await run([...args, "--json"]);
  expect(status).toBe(0);
  const answer = JSON.parse(stdout) as {
    readonly contracts: readonly { readonly lastClass: string }[];
    readonly plan: { readonly classesRemoved: readonly string[] };
  };
  expect(answer).toMatchObject({ stranded: [], count: 0, nodesBefore: 2, nodesAfter: 1 });
  for (const { lastClass } of answer.contracts) expect(lastClass).toMatch(/^cascade-lake-/);
  expect(answer.plan).toMatchObject({ lost: [], refusals: [], unplanned: [] });
  expect(answer.plan.classesRemoved).toEqual([expect.stringMatching(/^ice-lake-/)]);
});

test("an update that costs a feature strands, whether the node is named or its class", async () => {
  const directory = temporaryDirectory();
  const worse = join(directory, "worse.json");
  const json = JSON.parse(readFileSync(join(ROOT, ICX), "utf8")) as {
    cpuid: { leaf: string; subleaf: string; ebx: string }[];
  };
  const cpuid = json.cpuid.map((entry) =>
    entry.leaf === "0x7" && entry.subleaf === "0x0"
      ? { ...entry, ebx: `0x${((Number(entry.ebx) & ~(1 << 5)) >>> 0).toString(16)}` }
      : entry,
  );
  writeFileSync(worse, JSON.stringify({ ...json, cpuid }));
  const contract = join(directory, "contract.json");
  expect((await run(["contract", ICX, "--out", contract])).status).toBe(0);
  const replace = async (what: string, profile: string) =>
    await run(["simulate", ICX, "--snapshot", contract, "--replace", `${what}=${profile}`]);
  const stranded = await replace("xeon-silver-4314", worse);
  expect([stranded.status, stranded.stdout]).toEqual([1, expect.stringContaining("AVX2 (1 node)")]);
  const [, name = ""] = /(ice-lake-\S+)/.exec((await run(["show", ICX])).stdout) ?? [];
  expect((await replace(name === "" ? "xeon-silver-4314" : name, worse)).status).toBe(1);
  expect((await replace("xeon-silver-4314", ICX)).status).toBe(0);
});

test("a release that reads no such snapshot strands them all", async () => {
  const { status, stdout } = await run(["simulate", CLX, ICX, "--firecracker", "1.8.0"]);
  expect([status, stdout]).toEqual([1, expect.stringContaining("2 snapshots stranded")]);
});

test("another version of the plan is compared with the one that runs", async () => {
  const [both, alone] = [await planned(), temporaryDirectory()];
  expect((await run(["plan", ICX, "-o", alone])).status).toBe(0);
  const args = ["simulate", CLX, ICX, "--plan", both, "--new-plan", alone];
  const { status, stdout } = await run(args);
  expect(status).toBe(0);
  expect(stdout).toMatch(/without a template: +xeon-silver-4216/);
  expect(stdout).toMatch(/guests gain: .*AVX512_/);
});

test.each([
  [["simulate", "--remove", "a"], /name the profiles/],
  [["simulate", CLX], /name a change/],
  [["simulate", CLX, "--remove", "nobody"], /no node and no class is called "nobody"/],
  [["simulate", CLX, "--add", CLX], /two nodes are called/],
  [["simulate", CLX, "--replace", "x"], /must be NODE=PROFILE/],
  [["simulate", CLX, "--remove", "xeon-silver-4216", "--new-plan", "x"], /name it with --plan/],
  [["simulate", CLX, "--firecracker", "banana"], /banana/],
])("what cannot be simulated is exit code 2: %j", async (args, text) => {
  const { status, stderr } = await run(args);
  expect([status, stderr]).toEqual([2, expect.stringMatching(text)]);
});

test("a directory of profiles is the fleet", async () => {
  const { status, stdout } = await run(["simulate", dirname(CLX), "--remove", "xeon-silver-4314"]);
  expect([status, stdout.split("\n")[0]]).toEqual([1, "2 nodes → 1 node"]);
});
