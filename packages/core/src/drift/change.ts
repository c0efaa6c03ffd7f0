/** What changed on a node: as its guests see it without a template, and around it. */
import { simulate } from "../firecracker/simulate.ts";
import { compareText } from "../format/text.ts";
import { diffCpus, type Difference } from "../inspect/diff.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { cpuTypeOf } from "../tables/vendors.ts";

/** What changes from one reading of a node to the next and means nothing to its guests, by kind. */
export const VOLATILE_KINDS: ReadonlyMap<string, string> = new Map([
  ["topology", "describes caches, cores and clocks, which are free to differ"],
  ["owned", "KVM writes it while the guest runs"],
  ["state", "vCPU state, which the guest writes"],
]);

const SWITCHES = "matters only through the features that it enables, which are compared";

/** Host facts another value of which is no drift by itself, and why. */
const VOLATILE_FACTS: ReadonlyMap<string, string> = new Map([
  ["kernel", "matters only through what KVM offers, which is compared"],
  ["microcode", SWITCHES],
  ["biosVersion", SWITCHES],
  ["biosRevision", SWITCHES],
  ["bootId", "changes with each boot"],
  ["cpuModel", "a name"],
]);

interface Ignored {
  readonly name: string;
  readonly address: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly reason: string;
}

interface FactChange {
  readonly fact: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export interface Changes {
  /** What guests without a template see: `a` before, `b` now. */
  readonly seen: readonly Difference[];
  readonly ignored: readonly Ignored[];
  readonly facts: readonly FactChange[];
}

/** Differences of what a guest sees; undefined where the two cannot be compared. */
function differences(
  baseline: NodeProfile,
  now: NodeProfile,
  line: string,
): readonly Difference[] | undefined {
  const type = cpuTypeOf(now.cpu);
  if (type === undefined || type !== cpuTypeOf(baseline.cpu)) return undefined;
  const seen = ({ cpu }: NodeProfile) => ({ type, ...simulate(cpu, type, line) });
  return diffCpus(seen(baseline), seen(now));
}

function factChanges(baseline: NodeProfile, now: NodeProfile): FactChange[] {
  const factsOf = ({ host, firecracker }: NodeProfile): ReadonlyMap<string, string> =>
    new Map([
      ...Object.entries(host).filter(
        (entry): entry is [string, string] => typeof entry[1] === "string",
      ),
      ["firecracker", firecracker.toSorted(compareText).join(", ")],
    ]);
  const [before, after] = [factsOf(baseline), factsOf(now)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((fact) => ({ fact, from: before.get(fact), to: after.get(fact) }))
    .filter(({ from, to }) => from !== to);
}

/** Undefined where the two profiles differ in architecture or vendor, or of an unknown one. */
export function changesOf(
  baseline: NodeProfile,
  now: NodeProfile,
  line: string,
): Changes | undefined {
  const found = differences(baseline, now, line);
  if (found === undefined) return undefined;
  const seen: Difference[] = [];
  const ignored: Ignored[] = [];
  for (const difference of found) {
    const { name, kind, address, a: from, b: to } = difference;
    const reason = VOLATILE_KINDS.get(kind);
    if (reason === undefined) seen.push(difference);
    else ignored.push({ name, address, from, to, reason });
  }
  const facts = factChanges(baseline, now);
  for (const { fact, from, to } of facts) {
    const reason = VOLATILE_FACTS.get(fact);
    if (reason !== undefined) ignored.push({ name: fact, address: "", from, to, reason });
  }
  return { seen, ignored, facts };
}
