/** `evenkeel labels`: this node's class, pool and plan, as schedulers' labels. */
import { findPlannedClass, prettyJson } from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { profileLoader } from "../input/documents.ts";
import { loadPlan } from "../input/template.ts";
import { probeThisNode } from "../input/this-node.ts";
import { writeFileWhole } from "../output/write-files.ts";
import { LABEL_PREFIX, LABEL_VALUE } from "../render/labels.ts";

export interface LabelsFlags {
  readonly plan: string;
  readonly pool?: string;
  readonly node?: string;
  readonly kvm?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** Digits of the plan's SHA-256: as many as a short commit id has. */
const DIGITS = 12;

/** A node that the plan does not fit gets no labels, and the exit code is 1. */
export async function runLabels(flags: LabelsFlags): Promise<number> {
  const { node, kvm, pool, out, json } = flags;
  if (pool !== undefined && !LABEL_VALUE.test(pool)) {
    throw new CliError("USAGE", `--pool must be a valid label value, but is "${pool}"`);
  }
  const { plan, digest } = loadPlan(flags.plan);
  const here = kvm === undefined ? {} : { kvm };
  const profile = node === undefined ? await probeThisNode(here) : profileLoader()(node);
  const match = findPlannedClass(plan, profile);
  if (match.kind !== "found") {
    const why =
      match.kind === "changed"
        ? `has changed since it was planned as ${match.planned.id}`
        : "is not in any class of the plan";
    process.stderr.write(`evenkeel: ${profile.name} ${why}\n`);
    if (out !== undefined) writeFileWhole(out, "");
    return 1;
  }
  const labels = {
    [`${LABEL_PREFIX}/class`]: match.planned.id,
    ...(pool === undefined ? {} : { [`${LABEL_PREFIX}/pool`]: pool }),
    [`${LABEL_PREFIX}/plan`]: digest.slice(0, DIGITS),
  };
  const lines = Object.entries(labels).map(([key, value]) => `${key}=${value}\n`);
  const text = json === true ? prettyJson(labels) : lines.join("");
  if (out === undefined) process.stdout.write(text);
  else writeFileWhole(out, text);
  return 0;
}
