/** `npm run bench`: the figures that docs/benchmarks.md records. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { measureLoop, measureResume } from "./agent.ts";
import { writeFleet } from "./fleet.ts";
import { measureFlood, measureRealFlood, measureRunaway, type FloodFigures } from "./flood.ts";
import { measureLauncher, type LauncherFigures } from "./launcher.ts";
import { machine, measure } from "./measure.ts";
import { measureOthers, measureScans } from "./scan.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const cli = join(root, "packages/cli/bin/evenkeel.js");
const directory = mkdtempSync(join(tmpdir(), "evenkeel-fleet-"));

/** All that reading a fleet's files costs at the least. */
const PARSE =
  'const { readFileSync } = require("node:fs");' +
  'for (const file of process.argv.slice(1)) JSON.parse(readFileSync(file, "utf8"));';

function row(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(58)} ${figure}\n`);
}

interface VerdictFigures {
  /** Microseconds for one verdict between two prepared classes, median. */
  readonly pair: number;
  readonly findings: number;
  /** Seconds for predicting, preparing and judging all ordered pairs of 200 classes. */
  readonly allPairs: number;
  readonly allPairsCpu: number;
}

function measureVerdicts(): VerdictFigures {
  const files = writeFleet(join(directory, "classes"), 200, 200);
  const { stdout } = spawnSync(process.execPath, [join(root, "bench/verdicts.mjs"), ...files]);
  return JSON.parse(stdout.toString()) as VerdictFigures;
}

function launcherRows(of: string, { bare, launched }: LauncherFigures): void {
  row(`API socket of ${of}, median`, `${bare.toFixed(1)} ms`);
  row("  through the launcher (limit: 15 ms more)", `${(launched - bare).toFixed(1)} ms more`);
}

function floodRows(of: string, flood: FloodFigures): void {
  row(`agent, for ${of} (limit 5%)`, `${flood.cpuPercent.toFixed(1)}%`);
  row("  what it wrote per second", `${flood.mibPerSecond.toFixed(2)} MiB`);
  row("  the longest of 200 calls meanwhile (limit 50 ms)", `${flood.longest.toFixed(0)} ms`);
  row("  the same while nothing is written", `${flood.quiet.toFixed(0)} ms`);
  row("  the largest that its console was", `${flood.largestMib.toFixed(0)} MiB`);
}

try {
  row("machine", machine());
  row("date", new Date().toISOString().slice(0, 10));

  const empty = measure([process.execPath, "-e", "0"]);
  const help = measure([process.execPath, cli, "--help"]);
  row("node -e 0, median", `${(empty.seconds * 1000).toFixed(0)} ms`);
  row("evenkeel --help, median", `${(help.seconds * 1000).toFixed(0)} ms`);
  row("ratio (limit 3)", (help.seconds / empty.seconds).toFixed(2));

  for (const nodes of [2500, 5000, 10_000]) {
    const files = writeFleet(join(directory, String(nodes)), nodes, 40);
    const out = join(directory, "out");
    const run = measure([process.execPath, cli, "plan", ...files, "--out", out], 3);
    const parse = measure([process.execPath, "-e", PARSE, ...files], 3);
    row(
      `plan ${nodes} profiles of 40 classes, files to plan, median`,
      `${run.seconds.toFixed(2)} s (CPU ${run.cpuSeconds.toFixed(2)} s), ${run.megabytes.toFixed(0)} MiB`,
    );
    // What starting and planning 40 classes cost is the same for any fleet, and most of a small one's.
    const limit = nodes === 10_000 ? " (limit 1.6)" : "";
    row(
      `  CPU time by that of JSON.parse on the same files${limit}`,
      `${(run.cpuSeconds / parse.cpuSeconds).toFixed(2)} (${parse.cpuSeconds.toFixed(2)} s)`,
    );
  }

  if (existsSync("/dev/kvm")) {
    const probe = measure([process.execPath, cli, "probe", "--out", join(directory, "node.json")]);
    row("probe this machine, median (limit 500 ms)", `${(probe.seconds * 1000).toFixed(0)} ms`);
  }

  for (const { share, code, run } of measureScans(cli, directory)) {
    row(
      `scan ${share} of Node's executable, ${code} MiB of code, median`,
      `${run.seconds.toFixed(2)} s (CPU ${run.cpuSeconds.toFixed(2)} s), ${run.megabytes.toFixed(0)} MiB`,
    );
  }
  for (const { tool, run } of measureOthers()) {
    row(
      `  ${tool} on the same file`,
      `${run.seconds.toFixed(2)} s (CPU ${run.cpuSeconds.toFixed(2)} s), ${run.megabytes.toFixed(0)} MiB`,
    );
  }

  const verdicts = measureVerdicts();
  row(
    "verdict between two prepared classes, median (limit 12 µs)",
    `${verdicts.pair.toFixed(1)} µs`,
  );
  row("  findings per verdict, mean", verdicts.findings.toFixed(1));
  row(
    "all 40,000 ordered pairs of 200 classes (limit 1 s)",
    `${verdicts.allPairs.toFixed(2)} s (CPU ${verdicts.allPairsCpu.toFixed(2)} s)`,
  );

  launcherRows("the double", await measureLauncher());
  const real = process.env["EVENKEEL_FIRECRACKER"];
  if (real !== undefined) launcherRows("a real Firecracker", await measureLauncher(real));

  const resume = await measureResume(500);
  row("agent's own share of a resume, median (limit 2 ms)", `${resume.median.toFixed(1)} ms`);
  row("  the quickest tenth", `${resume.quickest.toFixed(1)} ms`);
  const memory = spawnSync(process.execPath, [join(root, "bench/agent-memory.mjs")]);
  row("agent with 500 sandboxes (limit 120 MiB)", `${memory.stdout.toString().trim()} MiB`);
  if (real !== undefined)
    floodRows("a guest on a real Firecracker", await measureRealFlood(real, 10));
  floodRows("a console that grows as fast as is let pass", await measureFlood(10, 100));
  const runaway = await measureRunaway();
  row("a VMM that writes without end, ended after", `${runaway.endedAfter.toFixed(0)} ms`);
  row("  what it had written", `${runaway.writtenMib.toFixed(0)} MiB`);
  const loop = await measureLoop(1024);
  row("event loop's longest delay, 1 GiB out and in (limit 50 ms)", `${loop.delay.toFixed(0)} ms`);
  row("  the same while it has nothing to do", `${loop.idle.toFixed(0)} ms`);
  row("  processor time between two ticks, most", `${loop.cpu.toFixed(0)} ms`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
