/** `evenkeel drift`: what does a change to this node mean for its guests and its plan? */
import {
  driftOf,
  formatTemplate,
  parseJson,
  prettyJson,
  type Drift,
  type NodeProfile,
  type PlannedNode,
} from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { profileLoader, type ReadFlags } from "../input/documents.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { openTemplate } from "@evenkeel/host/cpu-template";
import { readIfThere } from "../input/template.ts";
import { probeThisNode } from "../input/this-node.ts";
import { writeFileWhole } from "../output/write-files.ts";
import { driftReport } from "../render/drift.ts";

export interface DriftFlags extends ReadFlags {
  readonly baseline?: string;
  /** This machine by default. */
  readonly now?: string;
  readonly firecrackerDir?: string;
  readonly kvm?: string;
  readonly plan?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** The node's class in a plan, even where it has changed since it was planned, and its template. */
function plannedNode(path: string, before: NodeProfile): PlannedNode {
  const {
    plan: found,
    planned,
    template,
  } = openTemplate({ kind: "plan", path }, readIfThere).classOf(before);
  const { plan } = found;
  if (plan.type === "aarch64") throw new CliError("USAGE", "--plan is for x86 nodes");
  return { plan, class: planned.id, template: template() };
}

function newTemplate({ plan, outcome }: Drift): string | undefined {
  if (plan?.template === undefined) return undefined;
  return outcome === "none" ? undefined : formatTemplate(plan.template);
}

function asJson(drift: Drift, template: string | undefined): unknown {
  const { plan, ...rest } = drift;
  if (plan === undefined) return rest;
  const { template: _, ...facts } = plan;
  const body = template === undefined ? undefined : parseJson(template);
  return { ...rest, plan: { ...facts, template: body } };
}

export async function runDrift(flags: DriftFlags): Promise<number> {
  const { baseline, now, plan, out, json = false } = flags;
  if (baseline === undefined)
    throw new CliError("USAGE", "name the earlier profile with --baseline");
  refuseStdinTwice(now === undefined ? [baseline] : [baseline, now]);
  const load = profileLoader(flags);
  const before = load(baseline);
  const planned = plan === undefined ? undefined : plannedNode(plan, before);
  const after =
    now === undefined ? await probeThisNode({ ...flags, name: before.name }) : load(now);
  const drift = driftOf(before, after, planned);
  const template = newTemplate(drift);
  if (out !== undefined && template !== undefined) writeFileWhole(out, template);
  const written = template === undefined ? undefined : out;
  process.stdout.write(json ? prettyJson(asJson(drift, template)) : driftReport(drift, written));
  return drift.matters ? 1 : 0;
}
