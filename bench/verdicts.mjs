/**
 * Times verdicts between the profiles that are named, inside one process: prepared pairs, and all
 * ordered pairs. Plain JavaScript, as what is timed is the built code: run from its source it is
 * made to keep the names of functions, which costs a verdict as much again.
 */
import { readFileSync } from "node:fs";
import { judgePrepared, parseJson, predictContract, prepare, readProfile } from "@evenkeel/core";

/** Seconds, of the compiler's and the garbage collector's threads as well. */
function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function contractOf(profile) {
  const result = predictContract(profile, { firecracker: "1.14.1", vcpus: 2, smt: false });
  if (!result.ok) throw new Error(`${profile.name} boots nothing`);
  return result.contract;
}

const profiles = process.argv
  .slice(2)
  .map((file) => readProfile(parseJson(readFileSync(file, "utf8")), file));

const [start, startCpu] = [process.hrtime.bigint(), cpuSeconds()];
const bench = prepare("intel", profiles.map(contractOf), profiles);
let findings = 0;
for (const guest of bench.contracts) {
  for (const node of bench.nodes) findings += judgePrepared(bench, guest, node).findings.length;
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
times.sort((a, b) => a - b);
const pair = times[Math.floor(times.length / 2)];
process.stdout.write(
  JSON.stringify({ pair, findings: findings / times.length, allPairs, allPairsCpu }),
);
