/** `evenkeel diff`: what differs between these two, in names? Exit 1 where something does. */
import {
  diffArm,
  diffCpus,
  diffTemplates,
  notComparable,
  prettyJson,
  stateOfContract,
  stateOfPlan,
  stateOfProfile,
  type CpuState,
  type Difference,
  type Document,
} from "@evenkeel/core";
import { loadDocument } from "../input/documents.ts";
import { displayName, refuseStdinTwice } from "../input/read.ts";
import { diffReport } from "../render/diff.ts";

export interface DiffFlags {
  readonly json?: boolean;
}

function stateOf(document: Document): CpuState | undefined {
  if (document.kind === "plan") return stateOfPlan(document.plan.vendor, document.plan.guest);
  if (document.kind === "contract") return stateOfContract(document.contract);
  return document.kind === "profile" ? stateOfProfile(document.profile.cpu) : undefined;
}

function differences(a: Document, b: Document): Difference[] {
  if (a.kind === "template" && b.kind === "template") return diffTemplates(a.template, b.template);
  const [left, right] = [stateOf(a), stateOf(b)];
  if (left !== undefined && right !== undefined) return diffCpus(left, right);
  if (a.kind === "profile" && b.kind === "profile" && a.profile.cpu.arch === b.profile.cpu.arch) {
    return diffArm(a.profile.cpu.registers, b.profile.cpu.registers);
  }
  return notComparable(kindOf(a), kindOf(b));
}

function kindOf(document: Document): string {
  return document.kind === "profile" ? `${document.profile.cpu.arch} profile` : document.kind;
}

export function runDiff(a: string, b: string, flags: DiffFlags): number {
  refuseStdinTwice([a, b]);
  const found = differences(loadDocument(a), loadDocument(b));
  const names = [displayName(a), displayName(b)] as const;
  process.stdout.write(
    flags.json === true
      ? prettyJson({ a: names[0], b: names[1], differences: found })
      : diffReport(names, found),
  );
  return found.length === 0 ? 0 : 1;
}
