/**
 * Times verdicts inside one process: prepared pairs, and all ordered pairs of many classes. A script
 * of its own, as what is timed is the built code: the one that runs from source keeps the names of
 * functions at run time, which doubles a verdict's time.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { judgePrepared, predictContract, prepare, type NodeProfile } from "@evenkeel/core";
import { fleetProfiles } from "./fleet.ts";
import { median } from "./measure.ts";

function contracts(profiles: readonly NodeProfile[]) {
  return profiles.map((profile) => {
    const result = predictContract(profile, { firecracker: "1.14.1", vcpus: 2, smt: false });
    if (!result.ok) throw new Error(`${profile.name} boots nothing`);
    return result.contract;
  });
}

export interface VerdictFigures {
  /** Microseconds for one verdict between two prepared classes that differ, median. */
  readonly pair: number;
  readonly findings: number;
  /** Seconds for predicting, preparing and judging all ordered pairs. */
  readonly allPairs: number;
  /** Of the processor, the compiler's and the garbage collector's threads included. */
  readonly allPairsCpu: number;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const SELF = fileURLToPath(import.meta.url);

export function measureVerdicts(classes: number): VerdictFigures {
  const args = ["--import", "tsx", SELF, String(classes)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args);
  if (status !== 0) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString()) as VerdictFigures;
}

function timeVerdicts(classes: number): VerdictFigures {
  const profiles = fleetProfiles(classes, classes);
  const [start, startCpu] = [process.hrtime.bigint(), cpuSeconds()];
  const bench = prepare("intel", contracts(profiles), profiles);
  let total = 0;
  for (const guest of bench.contracts) {
    for (const node of bench.nodes) total += judgePrepared(bench, guest, node).findings.length;
  }
  const allPairs = Number(process.hrtime.bigint() - start) / 1e9;
  const allPairsCpu = cpuSeconds() - startCpu;
  const times = bench.contracts.flatMap((guest) =>
    bench.nodes.map((node) => {
      const before = process.hrtime.bigint();
      judgePrepared(bench, guest, node);
      return Number(process.hrtime.bigint() - before) / 1e3;
    }),
  );
  return { pair: median(times), findings: total / classes ** 2, allPairs, allPairsCpu };
}

if (process.argv[1] === SELF) {
  process.stdout.write(JSON.stringify(timeVerdicts(Number(process.argv[2]))));
}
