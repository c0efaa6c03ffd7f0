/** The CPU without KVM: what the `cpuid` tool or the kernel reports, as text. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { HostError } from "../errors.ts";

export interface RawText {
  readonly text: string;
  readonly source: string;
}

const TIMEOUT_MS = 10_000;
/** A leaf's line has 80 bytes, a CPU a hundred lines, a machine up to a few hundred CPUs. */
const MOST_BYTES = 16 * 1024 * 1024;

const run = promisify(execFile);

/** Every register of every logical CPU; undefined where the tool is not installed. */
async function cpuidTool(command: string): Promise<RawText | undefined> {
  try {
    const { stdout } = await run(command, ["-r"], { timeout: TIMEOUT_MS, maxBuffer: MOST_BYTES });
    return { text: stdout, source: `${command} -r` };
  } catch {
    // Not installed, or not for this architecture: the kernel's names are the next best.
    return undefined;
  }
}

/** Only names of flags. */
function cpuinfo(root: string): RawText | undefined {
  const path = join(root, "proc/cpuinfo");
  try {
    return { text: readFileSync(path, "utf8"), source: path };
  } catch {
    return undefined;
  }
}

/** `command`: the tool; `root`: where /proc is. Throws NO_CPU_DUMP if neither is available. */
export async function readRawCpu(command = "cpuid", root = "/"): Promise<RawText> {
  const found = (await cpuidTool(command)) ?? cpuinfo(root);
  if (found !== undefined) return found;
  throw new HostError("NO_CPU_DUMP", `found neither ${command} nor ${join(root, "proc/cpuinfo")}`);
}
