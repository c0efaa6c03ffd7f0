import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fieldByName } from "@evenkeel/core";
import { findKernel, qemuDriver } from "@evenkeel/host";
import { expect, onTestFinished, test } from "vitest";
import { assemble } from "../src/canary/assembler.ts";
import { canaryInitramfs, canaryProgram, canaryRows } from "../src/canary/canary.ts";
import { rowName } from "../src/canary/attempt.ts";
import { readCanary, type CanaryConsole } from "../src/console.ts";
import { decodeInstruction } from "../src/instruction.ts";

const rows = canaryRows();

test("the same bytes are built every time", () => {
  expect(canaryProgram().equals(canaryProgram())).toBe(true);
  expect(canaryInitramfs().equals(canaryInitramfs())).toBe(true);
});

test.each(rows.map((row) => [rowName(row), row] as const))(
  "%s begins with its instruction, which needs its feature",
  (_, row) => {
    const decoded = decodeInstruction(Buffer.from(assemble(row.body, 0x1000, new Map())));
    expect(decoded?.text.split(" ")[0]).toBe(row.instruction);
    // XGETBV is XSAVE's; only with ECX=1 does it need more.
    const wanted = row.feature === "XGETBV1" ? "XSAVE" : row.feature;
    expect(decoded?.features).toContain(wanted);
  },
);

test("every row's feature stands in the tables", () => {
  for (const { feature } of rows)
    expect([feature, fieldByName(feature)?.kind]).toEqual([feature, "feature"]);
});

function programFile(): string {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "canary");
  writeFileSync(path, canaryProgram(), { mode: 0o755 });
  return path;
}

/** Runs the canary as a plain process of this machine until it has shown what is waited for. */
async function runHere(path: string, done: (seen: CanaryConsole) => boolean): Promise<string> {
  const child = spawn(path, [], { stdio: ["ignore", "pipe", "ignore"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let text = "";
  child.stdout.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
  for (let i = 0; i < 400 && !done(readCanary(text)) && child.exitCode === null; i++)
    await sleep(25);
  child.kill("SIGKILL");
  return text;
}

const here = process.arch === "x64" && process.platform === "linux";

test.skipIf(!here)(
  "on this machine's own CPU every instruction computes what its row says",
  async () => {
    const text = await runHere(programFile(), ({ ticks }) => ticks >= 3);
    const seen = readCanary(text);
    expect(seen.end).toBeUndefined();
    expect(seen.ticks).toBeGreaterThanOrEqual(3);
    expect(seen.features.length).toBeGreaterThan(5);
    // What the kernel says of this CPU, and the canary found.
    const flags = new Set(
      /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" "),
    );
    const found = new Set(seen.features.map((name) => name.split(" ")[0]));
    for (const [flag, feature] of [
      ["avx2", "AVX2"],
      ["bmi2", "BMI2"],
      ["sse4_2", "SSE4_2"],
    ] as const) {
      expect([feature, found.has(feature)]).toEqual([feature, flags.has(flag)]);
    }
  },
);

test.skipIf(!here)("its report of CPUID is what the CPU says", async () => {
  const seen = readCanary(await runHere(programFile(), ({ cpuid }) => cpuid !== undefined));
  const leaf0 = seen.cpuid?.find(({ leaf }) => leaf === 0);
  const vendor = Buffer.alloc(12);
  for (const [i, word] of [leaf0?.ebx, leaf0?.edx, leaf0?.ecx].entries())
    vendor.writeUInt32LE(word ?? 0, 4 * i);
  expect(readFileSync("/proc/cpuinfo", "utf8")).toContain(vendor.toString("latin1"));
  expect(seen.cpuid?.some(({ leaf }) => leaf === 0x8000_0001)).toBe(true);
});

/** Turns the operand that a result is compared with into another one, in the file. */
function corrupted(program: Buffer, expected: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(expected);
  const at = program.indexOf(bytes);
  if (at < 0) throw new Error("the expected result is not in the program");
  const copy = Buffer.from(program);
  copy.writeBigUInt64LE(expected ^ 1n, at);
  return copy;
}

test.skipIf(!here)("a result that is not the expected one is reported, and ends it", () => {
  const path = programFile();
  const crc = rows.find(({ feature }) => feature === "SSE4_2")?.result;
  if (typeof crc !== "bigint") throw new Error("no such row");
  writeFileSync(path, corrupted(canaryProgram(), crc));
  const { stdout, status } = spawnSync(path, { encoding: "latin1", timeout: 20_000 });
  const { end } = readCanary(stdout);
  expect(status).toBe(1);
  expect(end).toMatchObject({ report: { kind: "wrong" }, feature: "SSE4_2", instruction: "crc32" });
  expect(decodeInstruction(end?.bytes ?? Buffer.alloc(0))?.text).toMatch(/^crc32/);
});

test.skipIf(!here)("an illegal instruction is reported with feature, address and bytes", () => {
  const row = rows.find(({ feature }) => feature === "SSE4_2");
  const code = Buffer.from(assemble(row?.body ?? [], 0x1000, new Map()));
  const program = canaryProgram();
  const at = program.indexOf(code);
  expect(at).toBeGreaterThan(0);
  const path = programFile();
  // UD2 in place of the instruction: what a CPU without the feature would meet.
  writeFileSync(
    path,
    Buffer.concat([program.subarray(0, at), Buffer.from("0f0b", "hex"), program.subarray(at + 2)]),
  );
  const { stdout, status } = spawnSync(path, { encoding: "latin1", timeout: 20_000 });
  const { end } = readCanary(stdout);
  expect(status).toBe(1);
  expect(end).toMatchObject({ report: { kind: "signal", signal: 4 }, feature: "SSE4_2" });
  expect(end?.bytes.subarray(0, 2).toString("hex")).toBe("0f0b");
  expect(parseInt(end?.address ?? "", 16)).toBeGreaterThan(0x40_0000);
});

const noQemu = await qemuDriver({ cpu: "Haswell" }).then(
  () => undefined,
  (error: Error) => (process.env["CI"] === undefined ? error.message : undefined),
);
if (noQemu !== undefined) process.stdout.write(`skipped in emulation: ${noQemu}\n`);

/** Boots the canary as its machine's init; settles once it has ticked, or ended. */
async function bootEmulated(cpu: string, bootArgs: string): Promise<CanaryConsole> {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const initrd = join(directory, "initrd");
  writeFileSync(initrd, canaryInitramfs());
  const driver = await qemuDriver({ cpu });
  const vm = await driver.boot({
    directory,
    kernel: (await findKernel()).path,
    initrd,
    drives: [],
    bootArgs: `console=ttyS0 reboot=t panic=-1 quiet ${bootArgs}`,
    vcpus: 1,
    smt: false,
    memoryMib: 128,
    cpu: { kind: "none" },
  });
  onTestFinished(() => vm.kill());
  const seen = () => readCanary(readFileSync(vm.console, "latin1"));
  const settled = () => seen().ticks >= 2 || seen().end !== undefined;
  await expect.poll(settled, { timeout: 50_000, interval: 100 }).toBe(true);
  return seen();
}

test.skipIf(noQemu !== undefined).each([
  ["", true],
  ["noxsave", false],
])("where the kernel is told %j, it uses XSAVE: %s", async (bootArgs, uses) => {
  const { cpuid, end, ticks, features } = await bootEmulated("Haswell-noTSX", bootArgs);
  expect(end).toBeUndefined();
  expect(ticks).toBeGreaterThanOrEqual(2);
  const leaf1 = cpuid?.find(({ leaf }) => leaf === 1)?.ecx ?? 0;
  // The CPU has XSAVE either way; only OSXSAVE is the kernel's.
  expect([(leaf1 >>> 26) & 1, (leaf1 >>> 27) & 1]).toEqual([1, Number(uses)]);
  expect(features.includes("XSAVE xsave")).toBe(uses);
  expect(features.some((name) => name.startsWith("AVX2 "))).toBe(uses);
  expect(features).toContain("SSE4_2 crc32");
});
