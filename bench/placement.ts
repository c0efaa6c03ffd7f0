/**
 * Placement and the verdict index at the size of a large fleet, without a store: 10,000 nodes of 30
 * kinds, 5,000 contracts. `tsx --conditions=@evenkeel/source bench/placement.ts`
 */
import {
  CATALOGUE,
  CATALOGUE_KERNELS,
  contractDigest,
  predictContract,
  requireCatalogueProfile,
  verdictKey,
  type NodeProfile,
} from "@evenkeel/core";
import { layOutFleet, openVerdictIndex, place, type FleetNode } from "@evenkeel/server";
import { openJudging } from "../packages/server/src/contracts/judge.ts";
import { machine } from "./measure.ts";

const NODES = 10_000;
const KINDS = 30;
const CONTRACTS = 5000;
const QUESTIONS = 5000;

function row(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(58)} ${figure}\n`);
}

/** Estimates are unknown to verdicts; here they stand for nodes that were measured. */
function kinds(): NodeProfile[] {
  const names = CATALOGUE_KERNELS.flatMap((kernel) => CATALOGUE.map(({ id }) => `${id}@${kernel}`));
  const profiles = names.map((name) => {
    const profile = requireCatalogueProfile(name);
    return { ...profile, estimate: false, firecracker: ["1.14.1"] };
  });
  const distinct = new Map(profiles.map((profile) => [verdictKey(profile), profile]));
  return [...distinct.values()].filter((profile) => profile.cpu.arch === "x86_64").slice(0, KINDS);
}

/** No two are alike to a verdict: that is the dearest case. */
function contractsOf(profiles: readonly NodeProfile[]) {
  const made: { digest: string; contract: Parameters<typeof contractDigest>[0] }[] = [];
  for (let i = 0; made.length < CONTRACTS; i++) {
    const profile = profiles[i % profiles.length];
    if (profile === undefined) break;
    const vcpus = 1 + (Math.floor(i / profiles.length) % 32);
    const result = predictContract(profile, { firecracker: "1.14.1", vcpus, smt: false });
    if (!result.ok) continue;
    const contract = { ...result.contract, kernel: `6.1.${i}` };
    made.push({ digest: contractDigest(contract), contract });
  }
  return made;
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

row("machine", machine());
const profiles = kinds();
const variants = profiles.map((profile) => ({ id: verdictKey(profile), profile }));
const contracts = contractsOf(profiles);
row("kinds of nodes, contracts", `${variants.length}, ${contracts.length}`);

const index = openVerdictIndex();
/** Milliseconds of this process's own time: the machine may be busy with others. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const judging = openJudging();
let began = cpu();
judging.addContracts(contracts);
row("all contracts made ready, once for a server's life, CPU", `${(cpu() - began).toFixed(0)} ms`);
const each = variants.map((variant) => {
  began = cpu();
  index.set(judging.onVariant(variant, new Map()));
  return cpu() - began;
});
const sum = each.reduce((all, one) => all + one, 0);
row("every contract on every kind, CPU", `${sum.toFixed(0)} ms`);
// The first have the compiler's work to do.
const later = Float64Array.from(each.slice(-10)).toSorted();
row("all contracts on one kind that changed, CPU, median", `${quantile(later, 0.5).toFixed(0)} ms`);

function fleetOf(count: number) {
  const nodes = Array.from({ length: count }, (_, i): FleetNode => {
    const { id } = variants[i % variants.length] ?? { id: "" };
    const name = `n${String(i).padStart(5, "0")}`;
    return {
      id: name,
      name,
      class: id,
      variant: id,
      pool: `p${i % 10}`,
      state: i % 100 === 0 ? "suspect" : "ready",
      held: i % 97 === 0,
      cordoned: i % 89 === 0,
      labels: { zone: `z${i % 3}` },
      freeSandboxes: i % 50,
      freeMemoryMib: (i * 7919) % 65_536,
    };
  });
  return layOutFleet({ nodes, index, held: [], strategies: new Map() });
}

for (const count of [NODES / 4, NODES / 2, NODES]) {
  began = cpu();
  const fleet = fleetOf(count);
  const laidOut = cpu() - began;
  const times = new Float64Array(QUESTIONS);
  let found = 0;
  const start = cpu();
  for (let i = 0; i < QUESTIONS; i++) {
    const digest = contracts[(i * 31) % contracts.length]?.digest ?? "";
    const at = performance.now();
    const question = { contract: digest, snapshot: undefined, memoryMib: 512 };
    const answer = place(fleet, {
      ...question,
      labels: i % 2 === 0 ? {} : { zone: "z1" },
      pool: undefined,
      limit: 5,
    });
    times[i] = performance.now() - at;
    found += Number(answer.eligible > 0);
  }
  const second = (QUESTIONS / (cpu() - start)) * 1000;
  times.sort();
  row(`${count} nodes, laid out, CPU`, `${laidOut.toFixed(0)} ms`);
  row(
    "  a placement, p50, p99, by the clock",
    `${quantile(times, 0.5).toFixed(3)} ms, ${quantile(times, 0.99).toFixed(3)} ms`,
  );
  row(
    "  per second of CPU",
    `${second.toFixed(0)}, ${((found / QUESTIONS) * 100).toFixed(0)} % placed`,
  );
}
row("memory, resident", `${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB`);
