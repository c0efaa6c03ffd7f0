import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CLX, ROOT, run, temporaryDirectory } from "./run.ts";

test("models lists the catalogue", async () => {
  const { status, stdout, stderr } = await run(["models"]);
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^ID +NAME +VENDOR +YEAR\n/);
  expect(stdout).toMatch(/\nice-lake-sp +Ice Lake-SP +intel +2021\n/);
  const json = JSON.parse((await run(["models", "--json"])).stdout) as { models: unknown[] };
  expect(json.models).toContainEqual({ id: "turin", name: "Turin", vendor: "amd", launched: 2024 });
});

test("plan --with adds a model and warns that it is an estimate", async () => {
  const { status, stdout } = await run(["plan", "--with", "sapphire-rapids@6.8", CLX]);
  expect(status).toBe(0);
  const text = stdout.replaceAll(/\s+/g, " ");
  expect(text).toContain("estimate:sapphire-rapids@6.8");
  expect(text).toMatch(/sapphire-rapids-\w+ has a node that is an estimate, not a measurement/);
});

test("plan needs no file where models are given, repeated or not", async () => {
  const args = ["plan", "--with", "milan", "--with", "milan", "--with", "genoa@6.18", "--json"];
  const { status, stdout } = await run(args);
  expect(status).toBe(0);
  const plan = JSON.parse(stdout) as { classes: { nodes: string[] }[]; warnings: string[] };
  const nodes = plan.classes.flatMap((c) => c.nodes);
  expect(nodes).toEqual(["estimate:milan@6.1", "estimate:genoa@6.18"]);
});

test.each([
  ["pentium", "known: skylake-sp"],
  ["milan@2.6", "known: 5.10, 6.1, 6.8, 6.18"],
  ["milan@", "known: 5.10"],
])("plan --with %s is an error that says what there is", async (wanted, known) => {
  const { status, stderr } = await run(["plan", "--with", wanted]);
  expect(status).toBe(2);
  expect(stderr).toContain(known);
  expect(stderr).toContain("evenkeel models");
});

test("a profile's estimate is true or false", async () => {
  const file = join(temporaryDirectory(), "bad.json");
  const profile = { schema: "evenkeel/node-profile@1", estimate: "yes", arch: "x86_64" };
  writeFileSync(file, JSON.stringify(profile));
  const { status, stderr } = await run(["plan", file]);
  expect(status).toBe(2);
  expect(stderr).toContain("estimate: must be true or false, but is");
});

test.each(["--require=AVX2", "--forbid=AVX2", "--without=neoverse-n1"])(
  "plan refuses %s for aarch64 nodes rather than ignore it",
  async (option) => {
    const { status, stderr } = await run(["plan", "--with", "graviton2", option]);
    expect(status).toBe(2);
    expect(stderr).toContain("is for x86 pools");
  },
);

test("no verdict says compatible where an estimate is on either side", async () => {
  const directory = temporaryDirectory();
  const contract = join(directory, "contract.json");
  const estimated = join(directory, "estimated.json");
  const profile = JSON.parse(readFileSync(join(ROOT, CLX), "utf8")) as object;
  writeFileSync(estimated, JSON.stringify({ estimate: true, ...profile }));
  for (const [from, to] of [
    [CLX, estimated],
    [estimated, CLX],
  ] as const) {
    expect((await run(["contract", from, "--out", contract])).status).toBe(0);
    const { status, stdout } = await run(["check", "--snapshot", contract, "--node", to, "--json"]);
    expect(status).toBe(1);
    const { results } = JSON.parse(stdout) as { results: { verdict: string }[] };
    expect(results.map(({ verdict }) => verdict)).toEqual(["unknown"]);
  }
});
