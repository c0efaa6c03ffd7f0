/** What a snapshot promises its programs and a node does not have. */
import {
  fieldInfo,
  judge,
  offersFeature,
  type CpuContract,
  type Finding,
  type NodeProfile,
} from "@evenkeel/core";
import type { CrashContext } from "./context.ts";

export interface BrokenPromises {
  /** Features whose instructions fault there, of those that programs use. */
  readonly faults: readonly string[];
  /** Features whose instructions become others there: wrong results. */
  readonly silent: readonly string[];
  /** What lets the guest leave mitigations off that the node needs. */
  readonly insecure: readonly string[];
}

export function brokenPromises(contract: CpuContract, node: NodeProfile): BrokenPromises {
  const { findings } = judge(contract, node);
  const named = (wanted: (finding: Finding) => boolean) => [
    ...new Set(findings.filter(wanted).map(({ name }) => name)),
  ];
  // A profile with gaps shows zeros where it does not know.
  const isGone = (name: string) => offersFeature(node, name) === "no";
  const isForPrograms = (name: string) => fieldInfo(name).readBy === "user";
  return {
    faults: named(({ rule, name }) => rule === "feature" && isForPrograms(name) && isGone(name)),
    silent: named(({ rule, name }) => rule === "silent-change" && isGone(name)),
    insecure: named(({ severity, rule }) => severity === "insecure" && rule !== "identity"),
  };
}

/** The nodes that it may have died on: the one that is known, else all. */
export function placesOfDeath({ nodes = [], diedOn }: CrashContext): readonly NodeProfile[] {
  const known = nodes.filter(({ name }) => name === diedOn);
  return known.length > 0 ? known : nodes;
}

/** Of an instruction that is not known: features that may be its, because they are missing. */
export function suspectsIn(context: CrashContext): string[] {
  const { contract } = context;
  if (contract === undefined) return [];
  const faults = placesOfDeath(context).flatMap((node) => brokenPromises(contract, node).faults);
  return [...new Set(faults)];
}
