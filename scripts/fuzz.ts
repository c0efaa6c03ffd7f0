/**
 * `npm run fuzz`: 100,000 mutated inputs over all readers. Each must be read, or refused with a
 * located error, in under a second of CPU time; the process must stay under 512 MiB.
 *
 * The inputs are read in a child process, so that one which never returns is found as well:
 * `npm run fuzz -- --reader NAME --seed N --count 1` has it again.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  mutate,
  randomFrom,
  readOne,
  seeds,
  type FuzzResult,
} from "../packages/core/test/fuzz-support.ts";

const TOTAL = 100_000;
const SECONDS = 1;
const MEGABYTES = 512;
const DEEPLY = 50;
/** Longer than an input may take, for a machine that is busy with something else. */
const PATIENCE_MS = 30_000;

interface Report {
  readonly counts: Record<FuzzResult, number>;
  readonly slowest: number;
  readonly megabytes: number;
  readonly failures: readonly string[];
}

function peakMegabytes(): number {
  return process.resourceUsage().maxRSS / 1024;
}

/** CPU time, so that a busy machine does not make inputs slow. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function fuzz(reader: string, from: number, count: number): Report {
  const seed = seeds().get(reader);
  if (seed === undefined) throw new Error(`no reader is called ${reader}`);
  const counts = { document: 0, error: 0 };
  const failures: string[] = [];
  let slowest = 0;
  for (let i = from; i < from + count; i++) {
    if (i % 100 === 0) process.send?.({ at: i });
    const text = mutate(seed, randomFrom(i));
    const start = cpuSeconds();
    try {
      counts[readOne(reader, text)]++;
    } catch (error) {
      failures.push(
        `${reader} ${i}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    const seconds = cpuSeconds() - start;
    slowest = Math.max(slowest, seconds);
    if (seconds > SECONDS) failures.push(`${reader} ${i}: ${seconds.toFixed(1)} s`);
    if (i % DEEPLY === 0 && failures.length === 0) readOne(reader, text, true);
  }
  const megabytes = peakMegabytes();
  if (megabytes > MEGABYTES) failures.push(`${reader}: ${megabytes.toFixed(0)} MiB`);
  return { counts, slowest, megabytes, failures };
}

/** Runs one reader in a child; kills it where an input does not come to an end. */
function inChild(reader: string, from: number, count: number): Promise<Report> {
  return new Promise((resolve) => {
    const args = ["--child", "--reader", reader, "--seed", String(from), "--count", String(count)];
    // A heap of this size: garbage that nobody needs is collected before it counts.
    const execArgv = [...process.execArgv, "--max-old-space-size=256"];
    const child = fork(fileURLToPath(import.meta.url), args, { execArgv });
    let at = from;
    const failed = (what: string): Report => {
      const failures = [`${reader}: ${what} at input ${at} or up to 100 later`];
      return {
        counts: { document: 0, error: 0 },
        slowest: Number.NaN,
        megabytes: Number.NaN,
        failures,
      };
    };
    let report: Report | undefined;
    const hang = () => {
      report = failed("no end");
      child.kill("SIGKILL");
    };
    let timer = setTimeout(hang, PATIENCE_MS);
    child.on("message", (message: { at?: number; report?: Report }) => {
      clearTimeout(timer);
      timer = setTimeout(hang, PATIENCE_MS);
      at = message.at ?? at;
      report = message.report ?? report;
    });
    child.on("exit", (code) => {
      clearTimeout(timer);
      resolve(report ?? failed(`exit code ${code}`));
    });
  });
}

const { values } = parseArgs({
  options: {
    child: { type: "boolean", default: false },
    reader: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    count: { type: "string" },
  },
});

function row(cells: readonly string[]): void {
  const [first = "", ...rest] = cells;
  process.stdout.write(`${first.padEnd(20)}${rest.map((cell) => cell.padStart(12)).join("")}\n`);
}

async function main(): Promise<void> {
  const readers = values.reader === undefined ? [...seeds().keys()] : [values.reader];
  const count = Number(values.count ?? Math.ceil(TOTAL / readers.length));
  row(["reader", "inputs", "read", "refused", "slowest", "peak"]);
  process.stdout.write(`--seed ${values.seed}\n`);
  const failures: string[] = [];
  let inputs = 0;
  for (const reader of readers) {
    const report = await inChild(reader, Number(values.seed), count);
    const { counts, slowest, megabytes } = report;
    inputs += counts.document + counts.error;
    failures.push(...report.failures);
    row([
      reader,
      String(count),
      String(counts.document),
      String(counts.error),
      `${(slowest * 1000).toFixed(0)} ms`,
      `${megabytes.toFixed(0)} MiB`,
    ]);
  }
  for (const failure of failures.slice(0, 20)) process.stdout.write(`\n${failure}\n`);
  process.stdout.write(`\n${inputs} inputs, ${failures.length} failures\n`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

if (values.child) {
  const report = fuzz(values.reader ?? "", Number(values.seed), Number(values.count));
  process.send?.({ report }, () => process.disconnect());
} else await main();
