/** Times whole commands from outside and prints a row per figure. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

export interface Run {
  readonly seconds: number;
  readonly megabytes: number;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Runs a command several times after a warm-up. `time -f` gives the peak memory. */
export function measure(command: readonly string[], runs = 5): Run {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-bench-"));
  const report = join(directory, "rss");
  const results: Run[] = [];
  try {
    for (let i = 0; i <= runs; i++) {
      const start = process.hrtime.bigint();
      const args = ["-f", "%M", "-o", report, ...command];
      const { status, stderr } = spawnSync("/usr/bin/time", args, {
        stdio: ["ignore", "ignore", "pipe"],
      });
      const seconds = Number(process.hrtime.bigint() - start) / 1e9;
      if (status !== 0) throw new Error(`${command.slice(0, 3).join(" ")}: ${stderr.toString()}`);
      if (i > 0) results.push({ seconds, megabytes: Number(readFileSync(report, "utf8")) / 1024 });
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return {
    seconds: median(results.map((r) => r.seconds)),
    megabytes: median(results.map((r) => r.megabytes)),
  };
}

export function machine(): string {
  const all = cpus();
  return `${all.length} × ${all[0]?.model ?? "?"}, Node ${process.version}`;
}
