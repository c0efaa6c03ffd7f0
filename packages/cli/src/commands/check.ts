/** `evenkeel check`: can this snapshot resume on these nodes? */
import {
  judge,
  knownLine,
  matrixEntries,
  withClockOf,
  type CpuContract,
  type NodeProfile,
} from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { loadContract, requireContract, type BootFlags } from "../input/contracts.ts";
import { profileLoader, type ReadFlags } from "../input/documents.ts";
import { nodeFiles } from "../input/node-files.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { openFlags, type TemplateFlags } from "../input/template.ts";
import { formatOf, listingText, type ListingFlags } from "../output/listing.ts";
import { checkReport, type CheckedGroup } from "../render/check.ts";

export interface CheckFlags extends BootFlags, ListingFlags, ReadFlags, TemplateFlags {
  /** The snapshot's contract. */
  readonly snapshot?: string;
  /** Instead of a contract: the profile of the node that would take the snapshot. */
  readonly from?: string;
  readonly node?: readonly string[];
}

/** One verdict for all nodes that are equal under every rule. */
function judgeGroups(
  contract: CpuContract,
  profiles: readonly NodeProfile[],
  firecracker: string | undefined,
): CheckedGroup[] {
  const groups = matrixEntries(withClockOf(contract.tscKhz, profiles), () => contract);
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

function compatibleNodes(
  profiles: readonly NodeProfile[],
  groups: readonly CheckedGroup[],
): string[] {
  const compatible = groups.filter(({ verdict }) => verdict === "compatible");
  const names = new Set(compatible.flatMap(({ nodes }) => nodes));
  return profiles.map(({ name }) => name).filter((name) => names.has(name));
}

function refuseDuplicates(profiles: readonly NodeProfile[]): void {
  const seen = new Set<string>();
  for (const { name } of profiles) {
    if (seen.has(name)) throw new CliError("USAGE", `more than one node is named "${name}"`);
    seen.add(name);
  }
}

const TEMPLATE_FLAGS = ["template", "cpuTemplate", "plan"] as const;

/** The given contract, else the predicted one of a snapshot that a node would take. */
function contractOf(flags: CheckFlags, load: (file: string) => NodeProfile): CpuContract {
  const { snapshot, from } = flags;
  if ((snapshot === undefined) === (from === undefined)) {
    throw new CliError(
      "USAGE",
      "name the contract with --snapshot, or the node that would take the snapshot with --from",
    );
  }
  if (from !== undefined) return requireContract(load(from), openFlags(flags), flags);
  if (TEMPLATE_FLAGS.some((flag) => flags[flag] !== undefined)) {
    throw new CliError("USAGE", "a contract already has its template: --template goes with --from");
  }
  return loadContract(snapshot ?? "");
}

export async function runCheck(flags: CheckFlags): Promise<number> {
  const { snapshot, from, node: paths = [], firecracker } = flags;
  if (paths.length === 0) throw new CliError("USAGE", "name at least one profile with --node");
  refuseStdinTwice([snapshot ?? from ?? "", ...paths]);
  if (firecracker !== undefined) knownLine(firecracker);
  const format = formatOf(flags);
  const load = profileLoader(flags);
  const contract = contractOf(flags, load);
  const profiles = nodeFiles(paths).map(load);
  refuseDuplicates(profiles);
  const groups = judgeGroups(contract, profiles, firecracker);
  const text = await listingText(format, {
    data: asJson(profiles, groups),
    names: compatibleNodes(profiles, groups),
    text: () => checkReport(contract, groups),
  });
  process.stdout.write(text);
  return groups.every(({ verdict }) => verdict === "compatible") ? 0 : 1;
}
