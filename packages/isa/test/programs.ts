/** Real programs that die of SIGILL, built here with gcc. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasTool } from "./tools.ts";

export const hasGcc = hasTool("gcc");

interface Illegal {
  readonly text: string;
  readonly bytes: string;
  readonly feature: string;
}

const VBMI: Illegal = {
  text: "vpermi2b zmm0, zmm0, zmm1",
  bytes: "62 f2 7d 48 75 c1",
  feature: "AVX512_VBMI",
};
/** Of AMD's Bulldozer, and of no CPU since. */
const XOP: Illegal = { text: "vfrczps xmm0, xmm1", bytes: "8f e9 78 80 c1", feature: "XOP" };

function cpuFlags(): readonly string[] {
  const flags = /^flags\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1];
  return flags?.split(" ") ?? [];
}

/** An instruction that this machine's CPU does not have. */
export function illegalHere(): Illegal {
  return cpuFlags().includes("avx512vbmi") ? XOP : VBMI;
}

/** C source of a program that executes some bytes in a function of its own. */
export function sourceWith(bytes: string): string {
  const list = bytes.split(" ").map((byte) => `0x${byte}`);
  return `
    __attribute__((noinline)) void chosen_at_start(void) {
      __asm__ volatile(".byte ${list.join(",")}");
    }
    int main(void) { chosen_at_start(); return 0; }
  `;
}

/** Builds a program; throws with gcc's own words where it cannot. */
export function build(
  directory: string,
  name: string,
  source: string,
  flags: readonly string[],
): string {
  const [input, output] = [join(directory, `${name}.c`), join(directory, name)];
  writeFileSync(input, source);
  const args = ["-O1", "-o", output, input, ...flags];
  const { status, stderr } = spawnSync("gcc", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return output;
}

export interface Death {
  readonly pid: number;
  readonly signal: NodeJS.Signals | null;
  /** The core file, where this machine writes one into the directory. */
  readonly core: string | undefined;
  /** The kernel's line, where it may be read. */
  readonly line: string | undefined;
}

/** Runs a program in its directory, allowed to leave a core there. */
export function runToDeath(directory: string, name: string): Death {
  const before = new Set(readdirSync(directory));
  const command = `ulimit -c unlimited; exec ./${name}`;
  const { pid, signal } = spawnSync("sh", ["-c", command], { cwd: directory });
  const core = readdirSync(directory).find((file) => !before.has(file) && file.startsWith("core"));
  const log = spawnSync("dmesg", { encoding: "utf8", maxBuffer: 1 << 26 }).stdout ?? "";
  return {
    pid,
    signal,
    core: core === undefined ? undefined : join(directory, core),
    line: log.split("\n").findLast((text) => text.includes(`${name}[${pid}] trap`)),
  };
}
