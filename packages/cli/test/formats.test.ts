/** Every command that reads profiles takes foreign formats; real tools' output is one of them. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { evenkeel, ROOT, run, temporaryDirectory } from "./run.ts";

const DUMP = "packages/core/test/fixtures/cpuid-r.txt";

describe("a raw dump where a profile is expected", () => {
  test("show says that it is an estimate, for the kernel that is named", async () => {
    const { status, stdout } = await run(["show", DUMP, "--kernel", "6.8.0-45-generic"]);
    expect(status).toBe(0);
    expect(stdout).toContain("Milan (25/1/1)");
    expect(stdout).toContain("estimated from cpuid -r for Linux 6.8, not");
    expect(stdout).toContain("SBPB");
    expect((await run(["show", DUMP])).stdout).not.toContain("SBPB");
  });

  test("plan warns, and takes its name from the file", async () => {
    const { status, stdout } = await run(["plan", DUMP]);
    expect(status).toBe(0);
    expect(stdout).toContain("cpuid-r");
    expect(stdout).toContain("is an estimate");
  });

  test("contract, check, matrix, lint and diff take it; no verdict says yes", async () => {
    const directory = temporaryDirectory();
    const contract = join(directory, "contract.json");
    const version = ["--firecracker", "1.14.1"];
    expect((await run(["contract", DUMP, ...version, "-o", contract])).status).toBe(0);
    const check = await run(["check", "--snapshot", contract, "--node", DUMP]);
    expect([check.status, check.stdout]).toEqual([1, expect.stringMatching(/cpuid-r +unknown/)]);
    const matrix = await run(["matrix", DUMP, ...version, "--json"]);
    expect(matrix.stdout).toContain('"verdict": "unknown"');
    const lint = await run(["lint", "T2A", "--node", DUMP]);
    expect(lint.status).toBeLessThan(2);
    expect(lint.stdout).toContain("unmeasured");
    const { status, stdout } = await run(["diff", DUMP, DUMP, "--kernel", "6.18"]);
    expect([status, stdout]).toEqual([0, "No differences.\n"]);
  });

  test("a matrix certificate of dumps remembers the kernel", async () => {
    const file = join(temporaryDirectory(), "cert.json");
    const args = ["matrix", DUMP, "--firecracker", "1.14.1", "--kernel", "6.8", "--cert", file];
    expect((await run(args)).status).toBe(1);
    expect((await run(["matrix", "--verify", file])).stdout).toContain("Re-checked");
  });

  test("a microVM's configuration stands for its template", async () => {
    const file = join(temporaryDirectory(), "vm.json");
    writeFileSync(file, JSON.stringify({ "machine-config": { cpu_template: "T2A" } }));
    expect((await run(["show", file])).stdout).toContain("CPU template:");
    expect((await run(["lint", file, "--node", DUMP])).status).toBeLessThan(2);
  });

  test("damage is named with file and line", async () => {
    const file = join(temporaryDirectory(), "bad.txt");
    writeFileSync(file, readFileSync(join(ROOT, DUMP), "utf8").replace("eax=0x", "eax=x"));
    const { status, stderr } = await run(["plan", file]);
    expect(status).toBe(2);
    expect(stderr).toContain(`${file}: line 2: is neither`);
  });

  test("convert makes a profile of it, so that nodes of a pool may have different kernels", async () => {
    const directory = temporaryDirectory();
    const [old, young] = [join(directory, "a.json"), join(directory, "b.json")];
    expect(
      (await run(["convert", DUMP, "--kernel", "5.10", "--name", "a", "-o", old])).status,
    ).toBe(0);
    expect(
      (await run(["convert", DUMP, "--kernel", "6.8", "--name", "b", "-o", young])).status,
    ).toBe(0);
    const shown = (await run(["show", old])).stdout;
    expect(shown).toContain("Node a ");
    expect(shown).toContain("not a measurement: for planning only");
    const { status, stdout } = await run(["plan", old, young]);
    expect([status, stdout]).toEqual([0, expect.stringContaining("2 nodes in 2 classes")]);
    expect((await run(["convert", DUMP, "--name", ""])).status).toBe(2);
  });

  test("an unknown kernel is exit code 2", async () => {
    const { status, stderr } = await run(["show", DUMP, "--kernel", "4.14"]);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining("nothing is known about KVM of Linux 4.14"),
    ]);
  });
});

function toolOutput(command: string, args: readonly string[], input = ""): string | undefined {
  const { status, stdout, error } = spawnSync(command, args, {
    encoding: "utf8",
    input,
    timeout: 30_000,
  });
  return error === undefined && status === 0 ? stdout : undefined;
}

function skipWithout(what: string, text: string | undefined): boolean {
  if (text === undefined) process.stderr.write(`skipping tests with ${what}: it is not there\n`);
  return text === undefined;
}

const isX86 = process.arch === "x64";
const cpuid = isX86 ? toolOutput("cpuid", ["-1", "-r"]) : undefined;
const cpuinfo =
  isX86 && existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : undefined;
const ask = {
  execute: "query-cpu-model-expansion",
  arguments: { type: "full", model: { name: "max" } },
};
const QMP = [{ execute: "qmp_capabilities" }, ask, { execute: "quit" }];
const qemu = toolOutput(
  "qemu-system-x86_64",
  "-machine q35 -accel tcg -cpu max -nodefaults -display none -qmp stdio -S".split(" "),
  QMP.map((command) => JSON.stringify(command)).join("\n"),
);

describe("what tools say on this machine", () => {
  test.skipIf(skipWithout("cpuid", cpuid))("cpuid -1 -r is read whole", () => {
    const { status, stdout } = evenkeel(["show", "-"], cpuid);
    expect([status, stdout]).toEqual([0, expect.stringContaining("estimated from cpuid -r")]);
    expect(stdout).not.toContain("incomplete");
  });

  test.skipIf(skipWithout("/proc/cpuinfo", cpuinfo))("/proc/cpuinfo is read whole", () => {
    const { status, stdout } = evenkeel(["show", "-"], cpuinfo);
    expect([status, stdout]).toEqual([0, expect.stringContaining("estimated from /proc/cpuinfo")]);
  });

  test.skipIf(skipWithout("QEMU", qemu))("QEMU's answer is read whole", () => {
    const { status, stdout } = evenkeel(["show", "-"], qemu);
    expect([status, stdout]).toEqual([0, expect.stringContaining("AVX2")]);
  });
});
