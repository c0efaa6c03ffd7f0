/** `evenkeel explain`: why did this process die, and what fixes it? */
import { prettyJson } from "@evenkeel/core";
import { explainBytes, type CrashContext } from "@evenkeel/isa";
import { CliError } from "../errors.ts";
import { loadContract } from "../input/contracts.ts";
import { explainFile, loadBinary } from "../input/crashes.ts";
import { loadNodes } from "../input/node-files.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { loadPlan } from "../input/template.ts";
import { explainReport } from "../render/explain.ts";

export interface ExplainFlags {
  readonly bytes?: string;
  readonly binary?: readonly string[];
  readonly snapshot?: string;
  readonly node?: readonly string[];
  readonly plan?: string;
  readonly json?: boolean;
}

function contextOf({ binary = [], snapshot, node, plan }: ExplainFlags): CrashContext {
  return {
    binaries: binary.map(loadBinary),
    ...(snapshot === undefined ? {} : { contract: loadContract(snapshot) }),
    ...(node === undefined ? {} : { nodes: loadNodes(node).map(({ profile }) => profile) }),
    ...(plan === undefined ? {} : { plan: loadPlan(plan).plan }),
  };
}

export function runExplain(file: string | undefined, flags: ExplainFlags): number {
  const { bytes, snapshot, node = [] } = flags;
  if ((file === undefined) === (bytes === undefined)) {
    throw new CliError("USAGE", "give a log or a core file, or --bytes");
  }
  refuseStdinTwice([file ?? "", snapshot ?? "", ...node]);
  const context = contextOf(flags);
  const explanation =
    bytes === undefined ? explainFile(file ?? "-", context) : explainBytes(bytes, context);
  const text = flags.json === true ? prettyJson(explanation) : explainReport(explanation, context);
  process.stdout.write(text);
  return explanation.crashes.every(
    ({ instruction, evidence, missing }) => instruction || evidence || missing.length === 0,
  )
    ? 0
    : 1;
}
