/** `evenkeel diff`: what differs between these two, by name? Exit code 1 if anything does. */
import {
  archOf,
  diffCpus,
  diffTemplates,
  notComparable,
  prettyJson,
  stateOfContract,
  stateOfCpu,
  stateOfPlan,
  type CpuState,
  type Difference,
  type Document,
} from "@evenkeel/core";
import { loadDocument, type ReadFlags } from "../input/documents.ts";
import { displayName, refuseStdinTwice } from "../input/read.ts";
import { diffReport } from "../render/diff.ts";

export interface DiffFlags extends ReadFlags {
  readonly json?: boolean;
}

function stateOf(document: Document): CpuState | undefined {
  if (document.kind === "plan") return stateOfPlan(document.plan);
  if (document.kind === "contract") return stateOfContract(document.contract);
  return document.kind === "profile" ? stateOfCpu(document.profile.cpu) : undefined;
}

function differences(a: Document, b: Document): Difference[] {
  if (a.kind === "template" && b.kind === "template") return diffTemplates(a.template, b.template);
  const [left, right] = [stateOf(a), stateOf(b)];
  if (left !== undefined && right !== undefined && archOf(left.type) === archOf(right.type)) {
    return diffCpus(left, right);
  }
  return notComparable(kindOf(a), kindOf(b));
}

function documentArch(document: Exclude<Document, { kind: "template" }>): string {
  if (document.kind === "plan") return archOf(document.plan.type);
  return document.kind === "contract" ? document.contract.arch : document.profile.cpu.arch;
}

function kindOf(document: Document): string {
  if (document.kind === "template") return document.kind;
  return `${documentArch(document)} ${document.kind}`;
}

export function runDiff(a: string, b: string, flags: DiffFlags): number {
  refuseStdinTwice([a, b]);
  const found = differences(loadDocument(a, flags), loadDocument(b, flags));
  const names = [displayName(a), displayName(b)] as const;
  process.stdout.write(
    flags.json === true
      ? prettyJson({ a: names[0], b: names[1], differences: found })
      : diffReport(names, found),
  );
  return found.length === 0 ? 0 : 1;
}
