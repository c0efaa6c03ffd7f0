/** `evenkeel simulate`: what a change to the fleet would strand, from files. */
import {
  afterChanges,
  classNameOf,
  contractDigest,
  knownLine,
  planAgain,
  prettyJson,
  replacePlan,
  requireCatalogueProfile,
  simulateChange,
  type CpuContract,
  type FleetChange,
  type NodeProfile,
  type PlanChange,
  type SimulatedFleet,
} from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { loadContract, predictFor } from "../input/contracts.ts";
import { nodeFiles } from "../input/node-files.ts";
import { profileLoader, type ReadFlags } from "../input/documents.ts";
import { refuseStdinTwice } from "../input/read.ts";
import { loadPlan, openFlags } from "../input/template.ts";
import { simulationReport } from "../render/simulate.ts";

export interface ChangeFlags {
  readonly remove?: readonly string[];
  readonly add?: readonly string[];
  readonly with?: readonly string[];
  readonly replace?: readonly string[];
  readonly firecracker?: readonly string[];
}

export interface SimulateFlags extends ChangeFlags, ReadFlags {
  readonly snapshot?: readonly string[];
  readonly plan?: string;
  readonly newPlan?: string;
  readonly json?: boolean;
}

export function replacements(list: readonly string[]): (readonly [node: string, file: string])[] {
  return list.map((text) => {
    const equals = text.indexOf("=");
    if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
    throw new CliError("USAGE", `--replace must be NODE=PROFILE, but is "${text}"`);
  });
}

export function releasesOf({ firecracker = [] }: ChangeFlags): string[] {
  const versions = firecracker.flatMap((list) => list.split(","));
  for (const version of versions) knownLine(version);
  return versions;
}

/**
 * The Firecracker releases of a model to be bought are not known yet: assume those that the whole
 * fleet has.
 */
function shared(nodes: readonly NodeProfile[]): string[] {
  const [first, ...rest] = nodes;
  return (first?.firecracker ?? []).filter((version) =>
    rest.every(({ firecracker }) => firecracker.includes(version)),
  );
}

function changesOf(
  nodes: readonly NodeProfile[],
  flags: SimulateFlags,
  load: (file: string) => NodeProfile,
): FleetChange[] {
  const { remove = [], add = [], with: models = [], replace = [] } = flags;
  const versions = releasesOf(flags);
  const firecracker = versions.length > 0 ? versions : shared(nodes);
  const estimates = [...new Set(models)].map((model) => ({
    profile: { ...requireCatalogueProfile(model), firecracker },
  }));
  const added = [...add.map((file) => ({ profile: load(file) })), ...estimates];
  return [
    ...(versions.length > 0 ? [{ kind: "firecracker", versions } as const] : []),
    ...replacements(replace).map(
      ([name, file]) => ({ kind: "replace", nodes: name, profile: load(file) }) as const,
    ),
    ...(remove.length > 0 ? [{ kind: "remove", nodes: remove } as const] : []),
    ...(added.length > 0 ? [{ kind: "add", nodes: added } as const] : []),
  ];
}

/** A predicted snapshot of each class, taken with the plan if one is given. */
function predicted(nodes: readonly NodeProfile[], flags: SimulateFlags) {
  const source = openFlags(flags.plan === undefined ? {} : { plan: flags.plan });
  const byClass = new Map<string, CpuContract>();
  for (const profile of nodes) {
    const name = `a snapshot of ${classNameOf(profile)}`;
    if (byClass.has(name)) continue;
    const result = predictFor(profile, source, {});
    // A node that cannot boot such a guest has no snapshot of one.
    if (result.ok) byClass.set(name, result.contract);
  }
  return byClass;
}

function fleetOf(nodes: readonly NodeProfile[], flags: SimulateFlags): SimulatedFleet {
  const { snapshot } = flags;
  const named =
    snapshot === undefined
      ? predicted(nodes, flags)
      : new Map(snapshot.map((file) => [file, loadContract(file)]));
  const contracts = new Map([...named.values()].map((one) => [contractDigest(one), one]));
  return {
    nodes: nodes.map((profile) => ({ profile })),
    contracts,
    snapshots: [...named].map(([id, one]) => ({ id, contract: contractDigest(one) })),
  };
}

function planChange(
  { plan, newPlan }: SimulateFlags,
  nodes: readonly NodeProfile[],
): PlanChange | undefined {
  if (plan === undefined) {
    if (newPlan === undefined) return undefined;
    throw new CliError(
      "USAGE",
      "--new-plan is compared with the running plan: name it with --plan",
    );
  }
  const running = loadPlan(plan).plan;
  return newPlan === undefined
    ? planAgain(running, nodes)
    : replacePlan(running, loadPlan(newPlan).plan, nodes);
}

export function runSimulate(files: readonly string[], flags: SimulateFlags): number {
  if (files.length === 0) throw new CliError("USAGE", "name the profiles of the fleet's nodes");
  const others = [
    ...(flags.add ?? []),
    ...replacements(flags.replace ?? []).map(([, file]) => file),
  ];
  refuseStdinTwice([...files, ...others, ...(flags.snapshot ?? [])]);
  const load = profileLoader(flags);
  const nodes = nodeFiles(files).map(load);
  const changes = changesOf(nodes, flags, load);
  if (changes.length === 0 && flags.newPlan === undefined) {
    throw new CliError("USAGE", "name a change: --remove, --add, --with, --replace, --firecracker");
  }
  const fleet = fleetOf(nodes, flags);
  const outcome = simulateChange(fleet, changes);
  const after = afterChanges(fleet.nodes, changes).map(({ profile }) => profile);
  const simulation = { ...outcome, plan: planChange(flags, after) ?? null };
  process.stdout.write(flags.json === true ? prettyJson(simulation) : simulationReport(simulation));
  return outcome.count > 0 || (simulation.plan?.refusals.length ?? 0) > 0 ? 1 : 0;
}
