/** Times verdicts inside one process: prepared pairs, and all ordered pairs of many classes. */
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
  /** Seconds for preparing and judging all ordered pairs. */
  readonly allPairs: number;
}

export function measureVerdicts(classes: number): VerdictFigures {
  const profiles = fleetProfiles(classes, classes);
  const start = process.hrtime.bigint();
  const bench = prepare("intel", contracts(profiles), profiles);
  let total = 0;
  for (const guest of bench.contracts) {
    for (const node of bench.nodes) total += judgePrepared(bench, guest, node).findings.length;
  }
  const allPairs = Number(process.hrtime.bigint() - start) / 1e9;
  const times = bench.contracts.flatMap((guest) =>
    bench.nodes.map((node) => {
      const before = process.hrtime.bigint();
      judgePrepared(bench, guest, node);
      return Number(process.hrtime.bigint() - before) / 1e3;
    }),
  );
  return { pair: median(times), findings: total / classes ** 2, allPairs };
}
