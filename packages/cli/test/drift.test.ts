import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CLX, ICX, ROOT, run, temporaryDirectory } from "./run.ts";

interface Entry {
  readonly leaf: string;
  readonly subleaf: string;
  readonly [register: string]: unknown;
}

/** The example's profile with some registers of leaf 7 changed, as a file. */
function nodeWith(directory: string, registers: object): string {
  const json = JSON.parse(readFileSync(join(ROOT, ICX), "utf8")) as { cpuid: Entry[] };
  const cpuid = json.cpuid.map((entry) =>
    entry.leaf === "0x7" && entry.subleaf === "0x0" ? { ...entry, ...registers } : entry,
  );
  const file = join(directory, "now.json");
  writeFileSync(file, JSON.stringify({ ...json, cpuid }));
  return file;
}

async function planned(): Promise<string> {
  const directory = temporaryDirectory();
  expect((await run(["plan", CLX, ICX, "-o", directory])).status).toBe(0);
  return directory;
}

function leaf7(): Entry {
  const json = JSON.parse(readFileSync(join(ROOT, ICX), "utf8")) as { cpuid: Entry[] };
  const found = json.cpuid.find(({ leaf, subleaf }) => leaf === "0x7" && subleaf === "0x0");
  if (found === undefined) throw new Error("the example has leaf 7");
  return found;
}

/** A register with a bit flipped. */
function flipped(register: string, bit: number): object {
  const value = (Number(leaf7()[register]) ^ (1 << bit)) >>> 0;
  return { [register]: `0x${value.toString(16)}` };
}

describe("evenkeel drift", () => {
  test("exit code 0 where nothing changed", async () => {
    const { status, stdout } = await run(["drift", "--baseline", ICX, "--now", ICX]);
    expect([status, stdout.split("\n")[0]]).toEqual([
      0,
      "xeon-silver-4314: nothing visible to guests has changed",
    ]);
  });

  test("exit code 1, what is lost and what to do where the plan breaks", async () => {
    const plan = await planned();
    const now = nodeWith(plan, flipped("ebx", 5));
    const args = ["drift", "--baseline", ICX, "--now", now, "--plan", plan];
    const { status, stdout } = await run(args);
    expect(status).toBe(1);
    expect(stdout).toContain("the plan no longer holds");
    expect(stdout).toMatch(/^CPUID\.\(EAX=07H,ECX=0\):EBX\[5\] +AVX2 +1 +0 /m);
    expect(stdout).toContain("Snapshots of this plan: incompatible");
    expect(stdout).toContain("Take the node out of the pool");
    const json = JSON.parse((await run([...args, "--json"])).stdout) as { outcome: string };
    expect(json).toMatchObject({
      outcome: "plan-broken",
      matters: true,
      plan: { lost: [{ name: "AVX2" }] },
    });
  });

  test("--out writes the new template, a valid one", async () => {
    const plan = await planned();
    const now = nodeWith(plan, flipped("edx", 14));
    const out = join(plan, "new.json");
    const args = ["drift", "--baseline", ICX, "--now", now, "--plan", plan, "--out", out];
    const { status, stdout } = await run(args);
    expect(status).toBe(0);
    expect(stdout).toContain("its template still yields the planned guest CPU");
    expect((await run(["show", out])).stdout).toMatch(/SERIALIZE +hidden/);
    expect((await run(["lint", out, "--node", now])).status).toBe(0);
  });

  test.each([
    [["--now", ICX], "name the earlier profile with --baseline"],
    [["--baseline", "-", "--now", "-"], "standard input (-) is named more than once"],
    [["--baseline", ICX, "--now", CLX, "--plan", CLX], "this is a node's profile, not a plan"],
  ])("%j is exit code 2", async (args, message) => {
    const { status, stderr } = await run(["drift", ...args]);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  test("a node that the plan does not have", async () => {
    const directory = temporaryDirectory();
    await run(["plan", CLX, "-o", directory]);
    const { status, stderr } = await run([
      "drift",
      "--baseline",
      ICX,
      "--now",
      ICX,
      "--plan",
      directory,
    ]);
    expect(status).toBe(1);
    expect(stderr).toContain("has no class that matches xeon-silver-4314");
  });
});
