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

/** Runs a command several times after a warm-up. `time -f` gives peak memory and CPU time. */
export function measure(command: readonly string[], runs = 5): Run {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-bench-"));
  const report = join(directory, "rss");
  const results: Run[] = [];
  try {
    for (let i = 0; i <= runs; i++) {
      const start = process.hrtime.bigint();
      const args = ["-f", "%M %U %S", "-o", report, ...command];
      const { status, stderr } = spawnSync("/usr/bin/time", args, {
        stdio: ["ignore", "ignore", "pipe"],
      });
      const seconds = Number(process.hrtime.bigint() - start) / 1e9;
      if (status !== 0) throw new Error(`${command.slice(0, 3).join(" ")}: ${stderr.toString()}`);
      const [kilobytes = 0, user = 0, system = 0] = readFileSync(report, "utf8")
        .split(" ")
        .map(Number);
      if (i > 0) results.push({ seconds, cpuSeconds: user + system, megabytes: kilobytes / 1024 });
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return {
    seconds: median(results.map((r) => r.seconds)),
    cpuSeconds: median(results.map((r) => r.cpuSeconds)),
    megabytes: median(results.map((r) => r.megabytes)),
  };
}

export function machine(): string {
  const all = cpus();
  return `${all.length} × ${all[0]?.model ?? "?"}, Node ${process.version}`;
}
