/** What a run of the lab has found, as data. */
import type { SandboxState } from "@evenkeel/api";
import {
  compareSeen,
  type CpuidEntry,
  type GuestCpu,
  type Judgement,
  type NodeProfile,
  type PlannedDifference,
  type Refusal,
} from "@evenkeel/core";
import type { CpuFinding } from "@evenkeel/host";
import type { Assessment } from "./assess.ts";
import type { Outcome } from "./outcome.ts";

/** A guest's CPUID, read from inside, against the guest CPU that was planned. */
export interface InsideView {
  readonly registers: number;
  /** Unexpected differences: wrong predictions. */
  readonly differences: readonly PlannedDifference[];
  /** Expected differences, which QEMU cannot express. */
  readonly expected: readonly PlannedDifference[];
}

/** Compares a guest's CPUID with the plan; `unexpressed`: what the driver said beforehand. */
export function insideView(
  planned: GuestCpu,
  cpuid: readonly CpuidEntry[],
  unexpressed: readonly CpuFinding[],
): InsideView {
  const { registers, differences } = compareSeen(planned, cpuid);
  const isExpected = ({ address, bits }: PlannedDifference) => {
    const own = unexpressed.filter((finding) => finding.address === address);
    return (bits & ~own.reduce((mask, finding) => mask | finding.bits, 0)) === 0;
  };
  return {
    registers,
    differences: differences.filter((difference) => !isExpected(difference)),
    expected: differences.filter(isExpected),
  };
}

export interface LabPair {
  readonly from: string;
  readonly to: string;
  /** From 1. */
  readonly round: number;
  readonly verdict: Judgement["verdict"];
  readonly findings: Judgement["findings"];
  readonly outcome: Outcome;
  /** The sandbox as its agent saw it at last; undefined where the VMM refused the snapshot. */
  readonly sandbox: SandboxState | undefined;
  readonly assessment: Assessment;
  /** After the resume; undefined without a plan, and where the guest does not report. */
  readonly inside: InsideView | undefined;
}

/** A guest that was booted to be snapshotted. */
export interface LabBoot {
  readonly node: string;
  readonly inside: InsideView | undefined;
  /** What QEMU could not express of the template. */
  readonly unexpressed: readonly CpuFinding[];
}

export interface LabGrid {
  /** `none`, `plan`, or the template's name. */
  readonly pool: string;
  readonly boots: readonly LabBoot[];
  readonly pairs: readonly LabPair[];
  /** Why some nodes are not in it. */
  readonly refusals: readonly Refusal[];
}

export interface ProbedNode {
  readonly name: string;
  readonly cpu: string;
  readonly profile: NodeProfile;
  /** `AVX2 vpaddd`: what the canary executes there. */
  readonly executes: readonly string[];
  readonly cpuid: readonly CpuidEntry[];
}

export interface LabResult {
  readonly qemu: string;
  readonly kernel: string;
  readonly guest: string;
  readonly rounds: number;
  readonly nodes: readonly ProbedNode[];
  readonly grids: readonly LabGrid[];
  readonly seconds: number;
}

export interface Figures {
  readonly pairs: number;
  readonly survived: number;
  readonly died: number;
  readonly saidCompatible: number;
  /** Of those judged compatible. */
  readonly compatibleDied: number;
  /** Of those that died: judged incompatible, with the cause among the reasons. */
  readonly foretold: number;
  readonly wrong: number;
}

function count<T>(items: readonly T[], test: (item: T) => boolean): number {
  return items.filter(test).length;
}

export function figuresOf(pairs: readonly LabPair[]): Figures {
  const dead = pairs.filter(({ outcome }) => outcome.kind !== "survived");
  const compatible = pairs.filter(({ verdict }) => verdict === "compatible");
  return {
    pairs: pairs.length,
    survived: pairs.length - dead.length,
    died: dead.length,
    saidCompatible: compatible.length,
    compatibleDied: count(compatible, ({ outcome }) => outcome.kind !== "survived"),
    foretold: count(dead, ({ assessment }) => assessment.right),
    wrong: count(pairs, ({ assessment }) => !assessment.right),
  };
}

function isExact(view: InsideView | undefined): boolean {
  return view === undefined || view.differences.length === 0;
}

/**
 * Whether no guest judged compatible died, no prediction was wrong, and every guest is as planned.
 */
export function isAsPredicted({ grids }: LabResult): boolean {
  return grids.every(
    ({ pairs, boots }) =>
      pairs.every(({ assessment, inside }) => assessment.right && isExact(inside)) &&
      boots.every(({ inside }) => isExact(inside)),
  );
}
