/** Settings for all commands, `-o`, directories of profiles, and places that cannot be written. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { CLX, evenkeel, ICX, run, temporaryDirectory } from "./run.ts";

let file = "";

beforeEach(() => {
  const directory = temporaryDirectory();
  file = join(directory, "config.json");
  vi.stubEnv("EVENKEEL_CONFIG", file);
  return () => vi.unstubAllEnvs();
});

/** `run` takes back every variable when it ends. */
function settings(json: string, env: Readonly<Record<string, string>> = {}): void {
  writeFileSync(file, json);
  vi.stubEnv("EVENKEEL_CONFIG", file);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
}

const DUMP = "packages/core/test/fixtures/cpuinfo.txt";

async function kernelOf(...flags: string[]): Promise<string> {
  const { stdout } = await run(["convert", DUMP, ...flags]);
  return (JSON.parse(stdout) as { host: { kernel: string } }).host.kernel;
}

test("defaults, the file, the environment and the command line, in this order", async () => {
  expect(await kernelOf()).toBe("6.1");
  settings('{"kernel":"5.10"}');
  expect(await kernelOf()).toBe("5.10");
  settings('{"kernel":"5.10"}', { EVENKEEL_KERNEL: "6.8" });
  expect(await kernelOf()).toBe("6.8");
  settings('{"kernel":"5.10"}', { EVENKEEL_KERNEL: "6.8" });
  expect(await kernelOf("--kernel", "6.12")).toBe("6.12");
});

test("evenkeel config says what is in force and where it comes from", async () => {
  settings('{"kernel":"5.10"}', { EVENKEEL_KVM: "/dev/other" });
  const { stdout } = await run(["config", "-o", "json"]);
  const { settings: found } = JSON.parse(stdout) as { settings: object[] };
  expect(found).toContainEqual(
    expect.objectContaining({ key: "kernel", value: "5.10", from: file }),
  );
  expect(found).toContainEqual(
    expect.objectContaining({ key: "kvm", value: "/dev/other", from: "environment" }),
  );
});

test.each([
  ['{"kernal":"6.1"}', 'unknown setting "kernal"'],
  ['{"kernel":6.1}', "kernel must be a string"],
  ["[]", "must be an object"],
  ["{", "config.json: "],
])("the file %s is refused by each command that would use it", async (json, message) => {
  for (const args of [["config"], ["plan", CLX]]) {
    settings(json);
    const { status, stderr } = await run(args);
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
  }
});

test("-o prints a list as names, YAML or JSON, or wider", async () => {
  const names = (await run(["models", "-o", "name"])).stdout.trim().split("\n");
  expect(names).toContain("cascade-lake");
  const yaml = parse((await run(["models", "-o", "yaml"])).stdout) as unknown;
  expect(yaml).toEqual(JSON.parse((await run(["models", "-o", "json"])).stdout));
  expect((await run(["models", "-o", "wide"])).stdout).toContain("ARCHITECTURE");
  const wrong = await run(["models", "-o", "xml"]);
  expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('but is "xml"')]);
});

test("check -o name prints the nodes on which the snapshot resumes", async () => {
  const { status, stdout } = await run(["check", "--from", CLX, "--node", CLX, ICX, "-o", "name"]);
  expect([status, stdout]).toEqual([1, "xeon-silver-4216\n"]);
});

test("a directory stands for the profiles in it", async () => {
  const directory = temporaryDirectory();
  for (const path of [CLX, ICX]) {
    writeFileSync(join(directory, path.split("/").at(-1) ?? ""), readFileSync(path));
  }
  expect((await run(["plan", directory])).stdout).toContain("2 nodes in 2 classes");
  const { stdout } = await run(["check", "--from", CLX, "--node", directory, "--json"]);
  expect((JSON.parse(stdout) as { results: unknown[] }).results).toHaveLength(2);
  mkdirSync(join(directory, "none"));
  const none = await run(["plan", join(directory, "none")]);
  expect([none.status, none.stderr]).toEqual([2, expect.stringContaining("has no file *.json")]);
});

test.each(["/proc/evenkeel/plan", "/proc/self/fd", "/dev/null/plan"])(
  "--out %s fails at once",
  (path) => {
    const { status, stderr } = evenkeel(["plan", "--example", "--out", path]);
    expect([status, stderr]).toEqual([3, expect.stringContaining(`${path}: `)]);
  },
  20_000,
);
