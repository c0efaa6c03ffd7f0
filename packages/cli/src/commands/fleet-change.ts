/** `evenkeel fleet`: changes of the fleet, and its sandboxes. */
import type { Simulation } from "@evenkeel/api";
import { profileToJson } from "@evenkeel/core";
import { profileLoader } from "../input/documents.ts";
import { simulationReport } from "../render/simulate.ts";
import { at, call, show, wholeNumber, type FleetFlags } from "./fleet.ts";
import { releasesOf, replacements, type ChangeFlags } from "./simulate.ts";

export interface FleetChangeFlags extends FleetFlags, ChangeFlags {
  readonly planVersion?: string;
}

function someOf<T>(name: string, list: readonly T[]): Record<string, readonly T[]> {
  return list.length === 0 ? {} : { [name]: list };
}

function simulationBody(flags: FleetChangeFlags): object {
  const { remove = [], add = [], with: models = [], replace = [], pool, planVersion } = flags;
  const load = profileLoader();
  return {
    ...someOf("firecracker", releasesOf(flags)),
    ...someOf(
      "replace",
      replacements(replace).map(([node, file]) => ({ node, profile: profileToJson(load(file)) })),
    ),
    ...someOf("remove", remove),
    ...someOf(
      "add",
      add.map((file) => ({ profile: profileToJson(load(file)) })),
    ),
    ...someOf("with", models),
    ...(pool === undefined ? {} : { pool }),
    ...(planVersion === undefined
      ? {}
      : { planVersion: wholeNumber(planVersion, "--plan-version") }),
  };
}

const named = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);

/** As `evenkeel simulate` prints it, by the names of snapshots. */
function reportOf(simulation: Simulation): string {
  const contracts = simulation.contracts.map((one) => ({
    ...one,
    snapshots: named(one.snapshots),
    lastClass: one.lastClass ?? undefined,
  }));
  const lists = {
    stranded: named(simulation.stranded),
    unknown: named(simulation.unknown),
    filesLost: named(simulation.filesLost),
    waiting: named(simulation.waiting),
    alreadyStranded: named(simulation.alreadyStranded),
    regained: named(simulation.regained),
  };
  const text = simulationReport({ ...simulation, ...lists, contracts });
  return simulation.kept === 0
    ? text
    : `${text}${simulation.kept} more contracts can be resumed by two classes or more.\n`;
}

/** 1 where something would be stranded, or the plan would not hold. */
export async function runFleetSimulate(flags: FleetChangeFlags): Promise<number> {
  const body = simulationBody(flags);
  const simulation = (await call(flags, "POST", at("simulations"), body)) as Simulation;
  show(flags, simulation, () => reportOf(simulation));
  return simulation.count > 0 || (simulation.plan?.refusals.length ?? 0) > 0 ? 1 : 0;
}
