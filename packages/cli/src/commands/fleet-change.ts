/** `evenkeel fleet`: changes of the fleet, and its sandboxes. */
import type { Drain, FleetSandbox, NodeView, PoolView, Simulation } from "@evenkeel/api";
import { profileToJson } from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { profileLoader } from "../input/documents.ts";
import { LABEL_FORMATS, labelLines } from "../render/labels.ts";
import { drainText, sandboxesText } from "../render/sandboxes.ts";
import { simulationReport } from "../render/simulate.ts";
import { at, call, labelsOf, show, wholeNumber, type FleetFlags } from "./fleet.ts";
import { releasesOf, replacements, type ChangeFlags } from "./simulate.ts";

export interface FleetChangeFlags extends FleetFlags, ChangeFlags {
  readonly planVersion?: string;
  readonly dryRun?: boolean;
  readonly output?: string;
  readonly node?: string;
  readonly nodeLabel?: readonly string[];
  readonly timeout?: string;
  readonly onTimeout?: string;
  readonly override?: string;
  readonly reason?: string;
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
    : `${text}${simulation.kept} more contracts can be resumed by at least two classes.\n`;
}

/** 1 if something would be stranded, or the plan would not hold. */
export async function runFleetSimulate(flags: FleetChangeFlags): Promise<number> {
  const body = simulationBody(flags);
  const simulation = (await call(flags, "POST", at("simulations"), body)) as Simulation;
  show(flags, simulation, (shown) => reportOf(shown));
  return simulation.count > 0 || (simulation.plan?.refusals.length ?? 0) > 0 ? 1 : 0;
}

function overrideOf({ override: accept, reason }: FleetChangeFlags): object {
  if (accept === undefined) return {};
  if (reason !== undefined) return { override: { accept, reason } };
  throw new CliError("USAGE", "--override needs a --reason, which is recorded");
}

function whereOf(flags: FleetChangeFlags): object {
  const { node, pool, nodeLabel = [], timeout } = flags;
  return {
    ...(node === undefined ? {} : { node }),
    ...(pool === undefined ? {} : { pool }),
    ...(nodeLabel.length === 0 ? {} : { nodeLabels: labelsOf({ label: nodeLabel }) }),
    ...(timeout === undefined ? {} : { timeoutSeconds: wholeNumber(timeout, "--timeout") }),
    ...overrideOf(flags),
  };
}

export async function runListSandboxes(flags: FleetChangeFlags): Promise<number> {
  const answer = (await call(flags, "GET", at("sandboxes"))) as { sandboxes: FleetSandbox[] };
  return show(flags, answer, (shown) => sandboxesText(shown.sandboxes));
}

export async function runCreateSandbox(from: string, flags: FleetChangeFlags): Promise<number> {
  const { onTimeout = "kill" } = flags;
  const body = { from, onTimeout, labels: labelsOf(flags), ...whereOf(flags) };
  const made = (await call(flags, "POST", at("sandboxes"), body)) as FleetSandbox;
  return show(flags, made, (shown) => sandboxesText([shown]));
}

export async function runOnSandbox(
  verb: "pause" | "resume" | "kill",
  id: string,
  flags: FleetChangeFlags,
): Promise<number> {
  if (verb === "kill") {
    await call(flags, "DELETE", at("sandboxes", id));
    return show(flags, { killed: id }, (shown) => `killed ${shown.killed}\n`);
  }
  const body = verb === "resume" ? whereOf(flags) : {};
  const now = (await call(flags, "POST", at("sandboxes", id, verb), body)) as FleetSandbox;
  return show(flags, now, (shown) => sandboxesText([shown]));
}

/** 1 if something stays behind or failed. Each call is limited in time, so it is repeated. */
export async function runDrain(node: string, flags: FleetChangeFlags): Promise<number> {
  const { dryRun = false, strand } = flags;
  const body = { dryRun, ...(strand === undefined ? {} : { strand: Number(strand) }) };
  let [paused, moved, idle] = [0, 0, 0];
  for (;;) {
    const path = at("nodes", node, "drain");
    const answer = (await call(flags, "POST", path, body, { secret: true })) as Drain;
    [paused, moved] = [paused + answer.paused, moved + answer.moved];
    idle = answer.paused + answer.moved === 0 ? idle + 1 : 0;
    const isStuck = answer.failed.length > 0 || idle > 3;
    if (!answer.done && !isStuck) continue;
    const all = { ...answer, paused, moved };
    show(flags, all, (shown) => drainText(shown));
    return answer.stay.length > 0 || answer.failed.length > 0 || !answer.done ? 1 : 0;
  }
}

/** Prints commands, but does not run them. */
export async function runLabels(flags: FleetChangeFlags): Promise<number> {
  const format = LABEL_FORMATS.find((one) => one === flags.output);
  if (format === undefined) {
    throw new CliError("USAGE", `--output must be kubernetes or nomad, but is "${flags.output}"`);
  }
  const { nodes } = (await call(flags, "GET", at("nodes"))) as { nodes: NodeView[] };
  const { pools } = (await call(flags, "GET", at("pools"))) as { pools: PoolView[] };
  const commands = labelLines(format, nodes, pools);
  return show(flags, { commands }, () => commands.map((line) => `${line}\n`).join(""));
}
