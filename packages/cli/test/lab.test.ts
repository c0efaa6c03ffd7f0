/** The end-to-end test: unlike CPUs, real guests, real snapshots; predictions against reality. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { QEMU_BINARY } from "@evenkeel/host";
import type { LabResult } from "@evenkeel/lab";
import { describe, expect, test } from "vitest";
import { evenkeel, ROOT, temporaryDirectory } from "./run.ts";

type Grid = LabResult["grids"][number] & {
  readonly figures: Readonly<Record<string, number>>;
};

const BIN = join(ROOT, "packages/cli/bin/evenkeel.js");
const MINUTES = 60_000;

/** Without QEMU there is nothing to test; CI installs it, so that there its absence fails. */
const present = spawnSync(QEMU_BINARY, ["--version"]).status === 0;
const required = process.env["CI"] !== undefined;
if (!present && !required) console.warn("skipped: no QEMU (apt-get install qemu-system-x86)");

const intel = ["Broadwell-noTSX", "Haswell-noTSX", "Haswell-noTSX,-avx2,-bmi2"];
const amd = ["EPYC-Rome", "EPYC"];

function ofOneVendor({ from, to }: { readonly from: string; readonly to: string }): boolean {
  return intel.includes(from) === intel.includes(to);
}

describe.runIf(present || required)("the lab", () => {
  test(
    "two generations of Intel, two of AMD and a reduced CPU: as predicted, and alive with the plan",
    { timeout: 6 * MINUTES },
    () => {
      const nodes = [...intel, ...amd].join(",");
      const { status, stdout, stderr } = evenkeel(["lab", "--nodes", nodes, "--json"]);
      const result = JSON.parse(stdout) as { asPredicted: boolean; grids: Grid[] };
      expect([status, result.asPredicted, stderr]).toEqual([
        0,
        true,
        expect.stringContaining("lives"),
      ]);
      const [bare, planned] = result.grids;
      if (bare === undefined || planned === undefined) throw new Error("two grids");
      for (const { pairs } of result.grids) {
        expect(pairs).toHaveLength(8);
        expect(pairs.every(ofOneVendor)).toBe(true);
      }
      // Real deaths, each foretold with what killed the guest.
      expect(bare.figures["died"]).toBeGreaterThanOrEqual(3);
      expect(bare.figures["foretold"]).toBe(bare.figures["died"]);
      expect(bare.figures["compatibleDied"]).toBe(0);
      const reduced = bare.pairs.find(
        ({ from, to }) => from === "Haswell-noTSX" && to === "Haswell-noTSX,-avx2,-bmi2",
      );
      expect(reduced).toMatchObject({
        verdict: "incompatible",
        outcome: { kind: "illegal-instruction", in: "program" },
        sandbox: "failed",
      });
      expect(reduced?.findings.map(({ name }) => name)).toEqual(
        expect.arrayContaining(["AVX2", "BMI2"]),
      );
      // With the plan every guest lives, and sees the planned CPU bit for bit.
      expect(planned.figures).toMatchObject({ died: 0, saidCompatible: 8, wrong: 0 });
      expect(planned.pairs.every(({ sandbox }) => sandbox === "running")).toBe(true);
      for (const { inside } of [...planned.pairs, ...planned.boots]) {
        expect(inside?.registers).toBeGreaterThan(100);
        expect(inside?.differences).toEqual([]);
      }
    },
  );

  test("a user's own static program stands in for the canary", { timeout: 4 * MINUTES }, () => {
    // The canary itself, given as a file: a program that the lab does not read the reports of.
    const program = join(temporaryDirectory(), "program");
    const build =
      'import { canaryProgram } from "@evenkeel/lab"; process.stdout.write(canaryProgram())';
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", build], {
      cwd: ROOT,
    });
    writeFileSync(program, stdout);
    const nodes = "Haswell-noTSX,Haswell-noTSX,-bmi2";
    const ran = evenkeel(["lab", "--nodes", nodes, "--initrd", program, "--json"]);
    const { grids } = JSON.parse(ran.stdout) as { grids: Grid[] };
    expect(grids.map(({ figures }) => [figures["survived"], figures["died"]])).toEqual([
      [1, 1],
      [2, 0],
    ]);
    expect(ran.status).toBe(0);
  });

  test("a model that QEMU lacks, one node, a file that is no guest: told apart, before anything runs", () => {
    const directory = temporaryDirectory();
    const text = join(directory, "notes.txt");
    writeFileSync(text, "no guest");
    const cases: [string[], number, string][] = [
      [["--nodes", "Haswel,EPYC"], 3, 'no CPU model "Haswel"'],
      [["--nodes", "Haswell"], 2, "a single node"],
      [["--initrd", text], 2, "neither an initramfs nor a program"],
      [["--initrd", "/bin/sh"], 2, "linked dynamically"],
      [["--kernel", text], 2, "not a Linux kernel"],
      [["--rounds", "0"], 2, "--rounds"],
      [["--pool", "/nonexistent.json"], 2, "/nonexistent.json"],
    ];
    for (const [args, status, message] of cases) {
      const outcome = evenkeel(["lab", ...args]);
      expect([args, outcome.status, outcome.stderr]).toEqual([
        args,
        status,
        expect.stringContaining(message),
      ]);
    }
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends it with nothing left: no QEMU, no directory",
    { timeout: 2 * MINUTES },
    async (signal) => {
      // So long that no socket's path fits into an address.
      const directory = join(temporaryDirectory(), "d".repeat(100));
      mkdirSync(directory);
      const env = { ...process.env, TMPDIR: directory };
      const child = spawn(process.execPath, [BIN, "lab"], { env, stdio: "ignore" });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      // A guest of an agent's.
      const started = () =>
        readdirSync(directory, { recursive: true }).some((name) =>
          /\/vms\/.*qmp\.sock$/.test(String(name)),
        );
      for (let i = 0; i < 1200 && !started(); i++) await sleep(50);
      expect(started()).toBe(true);
      child.kill(signal);
      expect(await ended).toBe(1);
      expect(readdirSync(directory)).toEqual([]);
      expect(processesWithin(directory)).toEqual([]);
    },
  );
});

test("without QEMU one line says what to install", () => {
  const env = { ...process.env, PATH: temporaryDirectory() };
  const options = { cwd: ROOT, env, encoding: "utf8" } as const;
  const { status, stderr } = spawnSync(process.execPath, [BIN, "lab"], options);
  expect(status).toBe(3);
  expect(stderr).toContain("apt-get install qemu-system-x86");
});

/** Command lines of processes that mention a directory. */
function processesWithin(directory: string): string[] {
  const { stdout } = spawnSync("ps", ["-eo", "args"], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line.includes("qemu") && line.includes(directory));
}
