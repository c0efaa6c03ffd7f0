/** Times whole commands from outside and prints a row per figure. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

export interface Run {
  readonly seconds: number;
  /** Of the processor, user and system: the same on a machine that is shared. */
  readonly cpuSeconds: number;
  readonly megabytes: number;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** `time -f` gives peak memory and CPU time; the shell's own `time` has a resolution of 1 ms. */
function once(command: readonly string[], directory: string): Run {
  const report = join(directory, "rss");
  const args = ["-c", 'TIMEFORMAT="%3U %3S"; time "$0" "$@"', "/usr/bin/time"];
  const start = process.hrtime.bigint();
  const { status, stderr } = spawnSync("bash", [...args, "-f", "%M", "-o", report, ...command], {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (status !== 0) throw new Error(`${command.slice(0, 3).join(" ")}: ${stderr}`);
  const [user = 0, system = 0] = (stderr.trimEnd().split("\n").at(-1) ?? "").split(" ").map(Number);
  const kilobytes = Number(readFileSync(report, "utf8"));
  return { seconds, cpuSeconds: user + system, megabytes: kilobytes / 1024 };
}

function medians(results: readonly Run[]): Run {
  return {
    seconds: median(results.map((r) => r.seconds)),
    cpuSeconds: median(results.map((r) => r.cpuSeconds)),
    megabytes: median(results.map((r) => r.megabytes)),
  };
}

/** Runs commands in turn, so that what else the machine does meets all of them. */
export function measureInTurn(commands: readonly (readonly string[])[], runs: number): Run[] {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-bench-"));
  try {
    const rounds = Array.from({ length: runs + 1 }, () =>
      commands.map((command) => once(command, directory)),
    );
    // The first round warms up.
    return commands.map((_, i) => medians(rounds.slice(1).flatMap((round) => round[i] ?? [])));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs a command several times after a warm-up. */
export function measure(command: readonly string[], runs = 5): Run {
  return measureInTurn([command], runs)[0] ?? medians([]);
}

export function machine(): string {
  const all = cpus();
  return `${all.length} × ${all[0]?.model ?? "?"}, Node ${process.version}`;
}
