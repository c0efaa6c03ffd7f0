/** Boots guests: to probe a node's CPU from inside, and to take snapshots through its agent. */
import { basename } from "node:path";
import { Sandbox } from "@evenkeel/api";
import { formatTemplate, parseJson, type CpuTemplate, type GuestCpu } from "@evenkeel/core";
import type { MicroVm } from "@evenkeel/host";
import { call, contractFrom, remove, requireDone, type Member } from "./agents.ts";
import { readCanary, type CanaryConsole } from "./console.ts";
import { LabError } from "./errors.ts";
import { watchGuest } from "./guest.ts";
import type { Taken } from "./moves.ts";
import { profileOf } from "./node.ts";
import type { Died } from "./outcome.ts";
import { insideView, type LabBoot, type ProbedNode } from "./result.ts";
import { machineOf, withCanary, type Site, type Station } from "./site.ts";

/**
 * A snapshot is taken once the console shows that the guest completed at least two rounds. The
 * timeout is longer than the lab's own, whose messages are better.
 */
const READY = { kind: "serial", text: "canary tick 00000002", timeoutSeconds: 120 } as const;
/** Another image than the canary is given this long after its first line. */
const SETTLE_MS = 2000;
/** And this long to say something at all once its init runs. */
const SILENT_MS = 10_000;

/** The tick before: that of {@link READY} may be cut in half by the snapshot. */
function isReady(canary: CanaryConsole): boolean {
  return canary.ready && canary.cpuid !== undefined && canary.ticks >= 1;
}

/** What the console says after the kernel has handed over, line by line; undefined before. */
function linesOfInit(text: string): string[] | undefined {
  const [, after] = text.split(/as init process\r?\n/);
  return after?.split("\n");
}

/** A line that is not the kernel's: theirs begin with a time in brackets. */
function hasOwnLine(lines: readonly string[]): boolean {
  return lines.some((line) => /^[^[\s]/.test(line));
}

/** Whether another image than the canary has been at work long enough to be snapshotted. */
function settled(): (canary: CanaryConsole, text: string) => boolean {
  let started: number | undefined;
  let spoke: number | undefined;
  return (_, text) => {
    const lines = linesOfInit(text);
    if (lines === undefined) return false;
    const now = Date.now();
    started ??= now;
    if (hasOwnLine(lines)) spoke ??= now;
    return now - (spoke ?? Infinity) >= SETTLE_MS || now - started >= SILENT_MS;
  };
}

function failedBoot(node: string, died: Died, console: string): LabError {
  const tail = console.trimEnd().split("\n").slice(-8).join("\n");
  return new LabError(
    "GUEST_FAILED",
    `the guest did not start on ${node}: ${died.message}\n${tail}`,
  );
}

async function untilUp(
  { signal }: Site,
  { node }: Station,
  vm: MicroVm,
  done: (canary: CanaryConsole, text: string) => boolean,
): Promise<CanaryConsole> {
  const { console: text, died } = await watchGuest(vm, done, { lacks: () => false, signal });
  if (died !== undefined) throw failedBoot(node.name, died, text);
  return readCanary(text);
}

/** Probes a node from inside a guest. */
export async function probe(site: Site, station: Station): Promise<ProbedNode> {
  const { node, driver } = station;
  return withCanary(site, station, async (vm) => {
    const { cpuid = [], features } = await untilUp(site, station, vm, isReady);
    station.offered = cpuid;
    const profile = profileOf(node, cpuid, driver.version);
    return { name: node.name, cpu: node.cpu, profile, executes: features, cpuid };
  });
}

export interface Shape {
  readonly name: string;
  readonly template: CpuTemplate | undefined;
  readonly planned: GuestCpu | undefined;
}

/** A template's name as an agent's API takes it; a file's path is none. */
function nameOf(pool: string): { readonly name?: string } {
  const name = basename(pool);
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9]$/.test(name) ? { name } : {};
}

/** The lab's guest on a CPU of this shape. */
function shapedMachine(site: Site, { name, template }: Shape): object {
  const cpu =
    template === undefined
      ? { kind: "none" }
      : { kind: "template", ...nameOf(name), template: parseJson(formatTemplate(template)) };
  return { ...machineOf(site), cpu };
}

interface Snapshotted {
  readonly snapshot: string;
  readonly canary: CanaryConsole;
}

/** Lets the agent build a template of the canary, and watches the guest meanwhile. */
async function build(site: Site, member: Member, name: string, machine: object) {
  const booting = member.recording.nextBoot();
  const building = call(member, "POST", "/v1/templates", { name, machine, readiness: READY });
  const first = await Promise.race([booting, building]);
  if ("status" in first) {
    requireDone(member, first);
    throw new LabError("AGENT_FAILED", `${member.station.node.name}: built without a boot`);
  }
  try {
    const canary = await untilUp(site, member.station, first, isReady);
    requireDone(member, await building);
    return { snapshot: name, canary };
  } catch (error) {
    // The agent is waiting for a guest that the lab has given up on.
    await first.kill();
    await building;
    throw error;
  }
}

/** Runs another image as a sandbox until it is settled, and pauses it there. */
async function runAndPause(site: Site, member: Member, id: string, machine: object) {
  const url = `/v1/sandboxes/${id}`;
  requireDone(member, await call(member, "POST", "/v1/sandboxes", { id, machine }));
  try {
    const vm = member.recording.started.get(id);
    if (vm === undefined || vm instanceof Error) throw new Error(`${id} runs without a microVM`);
    const canary = await untilUp(site, member.station, vm, settled());
    const { body } = requireDone(member, await call(member, "POST", `${url}/pause`));
    return { snapshot: Sandbox.parse(parseJson(body)).snapshot ?? "", canary };
  } catch (error) {
    await remove(member, url);
    throw error;
  }
}

/** Boots the lab's image on a node through a template, and takes its snapshot. */
export async function take(
  site: Site,
  member: Member,
  shape: Shape,
): Promise<{ readonly boot: LabBoot; readonly taken: Taken }> {
  const { station } = member;
  const { template, planned } = shape;
  const name = `${station.id}-${template === undefined ? "bare" : "shaped"}`;
  const snapshotting = site.canary ? build : runAndPause;
  station.findings = [];
  const made: Snapshotted = await snapshotting(site, member, name, shapedMachine(site, shape));
  const { snapshot, canary } = made;
  const { cpuid } = canary;
  const unexpressed = station.findings;
  const inside =
    planned === undefined || cpuid === undefined
      ? undefined
      : insideView(planned, cpuid, unexpressed);
  const contract = await contractFrom(member, snapshot);
  const exercised = new Set(canary.features.map((feature) => feature.split(" ")[0] ?? feature));
  return {
    boot: { node: station.node.name, inside, unexpressed },
    taken: { member, snapshot, contract, cpuid, exercised, planned },
  };
}
