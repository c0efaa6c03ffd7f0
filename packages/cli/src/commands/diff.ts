/** `evenkeel diff`: what differs between these two, in names? Exit 1 where something does. */
import {
  diffArm,
  diffCpus,
  diffTemplates,
  notComparable,
  prettyJson,
  registersOfPlan,
  stateOfContract,
  stateOfPlan,
  stateOfProfile,
  type ArmRegister,
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
  if (document.kind === "plan") {
    const { plan } = document;
    return plan.arch === "x86_64" ? stateOfPlan(plan.vendor, plan.guest) : undefined;
  }
  if (document.kind === "contract") return stateOfContract(document.contract);
  return document.kind === "profile" ? stateOfProfile(document.profile.cpu) : undefined;
}

/** Undefined for anything but aarch64. */
function registersOf(document: Document): readonly ArmRegister[] | undefined {
  if (document.kind === "plan") {
    return document.plan.arch === "aarch64" ? registersOfPlan(document.plan.guest) : undefined;
  }
  if (document.kind === "contract") {
    return document.contract.arch === "aarch64" ? document.contract.registers : undefined;
  }
  if (document.kind !== "profile" || document.profile.cpu.arch !== "aarch64") return undefined;
  return document.profile.cpu.registers;
}

function differences(a: Document, b: Document): Difference[] {
  if (a.kind === "template" && b.kind === "template") return diffTemplates(a.template, b.template);
  const [left, right] = [stateOf(a), stateOf(b)];
  if (left !== undefined && right !== undefined) return diffCpus(left, right);
  const [mine, other] = [registersOf(a), registersOf(b)];
  if (mine !== undefined && other !== undefined) return diffArm(mine, other);
  return notComparable(kindOf(a), kindOf(b));
}

function archOf(document: Exclude<Document, { kind: "template" }>): string {
  if (document.kind === "plan") return document.plan.arch;
  return document.kind === "contract" ? document.contract.arch : document.profile.cpu.arch;
}

function kindOf(document: Document): string {
  if (document.kind === "template") return document.kind;
  return `${archOf(document)} ${document.kind}`;
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
