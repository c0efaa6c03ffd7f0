/** What changes from one reading of a node to the next and means nothing to its guests. */
import type { Difference } from "../inspect/diff.ts";

interface VolatileRow {
  /** A kind of field, a field's name, or a fact of the host. */
  readonly what: string;
  readonly reason: string;
}

const KINDS: readonly VolatileRow[] = [
  { what: "topology", reason: "describes caches, cores and clocks, which are free to differ" },
  { what: "owned", reason: "written by KVM while the guest runs" },
  { what: "state", reason: "a vCPU's own state, which its guest writes" },
];

const HOST_FACTS: readonly VolatileRow[] = [
  { what: "kernel", reason: "matters only through what KVM offers, which is compared" },
  {
    what: "microcode",
    reason: "matters only through the features it switches, which are compared",
  },
  {
    what: "biosVersion",
    reason: "matters only through the features it switches, which are compared",
  },
  {
    what: "biosRevision",
    reason: "matters only through the features it switches, which are compared",
  },
  { what: "bootId", reason: "changes with each boot" },
  { what: "cpuModel", reason: "a name" },
];

const byKind = new Map(KINDS.map(({ what, reason }) => [what, reason]));
const byFact = new Map(HOST_FACTS.map(({ what, reason }) => [what, reason]));

export function whyVolatile({ kind }: Difference): string | undefined {
  return byKind.get(kind);
}

/** Why another value of a host's fact is no drift by itself; undefined where it is. */
export function whyVolatileFact(fact: string): string | undefined {
  return byFact.get(fact);
}
