/** The machine's KVM for tests, and a reading of it that shares no code with the project. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CpuidEntry } from "@evenkeel/core";
import { onTestFinished } from "vitest";

function opens(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** KVM depends on the machine, in CI too: where it is missing, the emulated one is what is tested. */
export const hasKvm = process.arch === "x64" && opens("/dev/kvm");

const compiles = spawnSync("gcc", ["--version"]).status === 0;

/** Under CI the compiler is installed: there its absence is a failure, not a skip. */
export const canReadIndependently = compiles || process.env["CI"] === "true";

if (!hasKvm) process.stderr.write("skipping tests on this machine's KVM: /dev/kvm does not open\n");
if (!canReadIndependently) process.stderr.write("skipping the independent reading: no gcc\n");

/** Compiles the reading; returns the lines that it prints for its arguments. */
export function independentReading(): (...args: readonly string[]) => string[] {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-kvm-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const program = join(directory, "kvm-reading");
  const source = fileURLToPath(new URL("kvm-reading.c", import.meta.url));
  const built = spawnSync("gcc", ["-O1", "-o", program, source], { encoding: "utf8" });
  if (built.status !== 0) throw new Error(`gcc: ${built.stderr}`);
  return (...args) => {
    const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`kvm-reading ${args.join(" ")}: exit code ${status}`);
    return stdout.trim().split("\n");
  };
}

export function entryOf(line: string): CpuidEntry {
  const [leaf = 0, subleaf = 0, flags = 0, eax = 0, ebx = 0, ecx = 0, edx = 0] = line
    .split(" ")
    .map((word) => Number.parseInt(word, 16));
  return { leaf, subleaf, flags, eax, ebx, ecx, edx };
}

/** APIC ids are those of the CPU that happened to answer: by hand, as this is no code under test. */
export function withoutApicIds(entries: readonly CpuidEntry[]): CpuidEntry[] {
  return entries
    .map((e) => {
      if (e.leaf === 1) return { ...e, ebx: e.ebx % 2 ** 24 };
      if (e.leaf === 0xb || e.leaf === 0x1f) return { ...e, edx: 0 };
      if (e.leaf !== 0x8000_001e) return e;
      return { ...e, eax: 0, ebx: e.ebx - (e.ebx % 256), ecx: e.ecx - (e.ecx % 256) };
    })
    .toSorted((a, b) => a.leaf - b.leaf || a.subleaf - b.subleaf);
}

/** Descriptors that this process has open. */
export function openDescriptors(list: (path: string) => string[]): number {
  return list("/proc/self/fd").length;
}
