/** `evenkeel check`: may this snapshot resume on these nodes? */
import { judge, knownLine, prettyJson } from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { loadContract } from "../input/contracts.ts";
import { profileLoader, type ReadFlags } from "../input/documents.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { checkReport } from "../render/check.ts";

export interface CheckFlags extends ReadFlags {
  readonly snapshot?: string;
  readonly node?: readonly string[];
  readonly firecracker?: string;
  readonly json?: boolean;
}

export function runCheck(flags: CheckFlags): number {
  const { snapshot, node: files = [], firecracker } = flags;
  if (snapshot === undefined) throw new CliError("USAGE", "name the contract with --snapshot");
  if (files.length === 0) throw new CliError("USAGE", "name at least one profile with --node");
  refuseStdinTwice([snapshot, ...files]);
  if (firecracker !== undefined) knownLine(firecracker);
  const contract = loadContract(snapshot);
  const results = files.map(profileLoader(flags)).map((profile) => ({
    node: profile.name,
    ...judge(contract, profile, firecracker),
  }));
  const text = flags.json === true ? prettyJson({ results }) : checkReport(contract, results);
  process.stdout.write(text);
  return results.every(({ verdict }) => verdict === "compatible") ? 0 : 1;
}
