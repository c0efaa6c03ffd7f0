/** `evenkeel check`: can this snapshot resume on these nodes? */
import {
  judge,
  knownLine,
  matrixEntries,
  prettyJson,
  withSameClocks,
  type CpuContract,
  type NodeProfile,
} from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { loadContract } from "../input/contracts.ts";
import { profileLoader, type ReadFlags } from "../input/documents.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { checkReport, type CheckedGroup } from "../render/check.ts";

export interface CheckFlags extends ReadFlags {
  readonly snapshot?: string;
  readonly node?: readonly string[];
  readonly firecracker?: string;
  readonly json?: boolean;
}

/** One verdict for all nodes that no rule tells apart. */
function judgeGroups(
  contract: CpuContract,
  profiles: readonly NodeProfile[],
  firecracker: string | undefined,
): CheckedGroup[] {
  const groups = matrixEntries(withSameClocks(profiles), () => contract);
  return groups.map(({ label, nodes, profile }) => ({
    label,
    nodes,
    ...judge(contract, profile, firecracker),
  }));
}

/** A row per node, in the order in which they were given. */
function asJson(profiles: readonly NodeProfile[], groups: readonly CheckedGroup[]) {
  const byNode = new Map(groups.flatMap((group) => group.nodes.map((name) => [name, group])));
  return {
    results: profiles.map(({ name }) => {
      const { label, verdict, findings } = byNode.get(name) ?? {};
      return { node: name, class: label, verdict, findings };
    }),
  };
}

function refuseDuplicates(profiles: readonly NodeProfile[]): void {
  const seen = new Set<string>();
  for (const { name } of profiles) {
    if (seen.has(name)) throw new CliError("USAGE", `more than one node is named "${name}"`);
    seen.add(name);
  }
}

export function runCheck(flags: CheckFlags): number {
  const { snapshot, node: files = [], firecracker } = flags;
  if (snapshot === undefined) throw new CliError("USAGE", "name the contract with --snapshot");
  if (files.length === 0) throw new CliError("USAGE", "name at least one profile with --node");
  refuseStdinTwice([snapshot, ...files]);
  if (firecracker !== undefined) knownLine(firecracker);
  const contract = loadContract(snapshot);
  const profiles = files.map(profileLoader(flags));
  refuseDuplicates(profiles);
  const groups = judgeGroups(contract, profiles, firecracker);
  const text =
    flags.json === true ? prettyJson(asJson(profiles, groups)) : checkReport(contract, groups);
  process.stdout.write(text);
  return groups.every(({ verdict }) => verdict === "compatible") ? 0 : 1;
}
