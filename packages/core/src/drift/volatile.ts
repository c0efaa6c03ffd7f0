/** What changes from one reading of a node to the next and means nothing to its guests. */
import type { Difference } from "../inspect/diff.ts";

const KINDS: ReadonlyMap<string, string> = new Map([
  ["topology", "describes caches, cores and clocks, which are free to differ"],
  ["owned", "written by KVM while the guest runs"],
  ["state", "a vCPU's own state, which its guest writes"],
]);

const SWITCHES = "matters only through the features it switches, which are compared";

const HOST_FACTS: ReadonlyMap<string, string> = new Map([
  ["kernel", "matters only through what KVM offers, which is compared"],
  ["microcode", SWITCHES],
  ["biosVersion", SWITCHES],
  ["biosRevision", SWITCHES],
  ["bootId", "changes with each boot"],
  ["cpuModel", "a name"],
]);

export function whyVolatile({ kind }: Difference): string | undefined {
  return KINDS.get(kind);
}

/** Why another value of a host's fact is no drift by itself; undefined where it is. */
export function whyVolatileFact(fact: string): string | undefined {
  return HOST_FACTS.get(fact);
}
