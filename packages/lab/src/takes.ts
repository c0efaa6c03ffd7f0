/** Booting guests: to look at a node's CPU from inside, and to take snapshots. */
import { join } from "node:path";
import { predictContract, type CpuTemplate, type GuestCpu, type NodeProfile } from "@evenkeel/core";
import type { CpuChoice, MicroVm, SnapshotFiles } from "@evenkeel/host";
import { readCanary, type CanaryConsole } from "./console.ts";
import { LabError } from "./errors.ts";
import { watchGuest } from "./guest.ts";
import type { Taken } from "./moves.ts";
import { profileOf } from "./node.ts";
import type { Died } from "./outcome.ts";
import { insideView, type LabBoot, type ProbedNode } from "./result.ts";
import { place, withBooted, type Site, type Station } from "./site.ts";

/** A snapshot is taken of a guest that has gone its round at least twice. */
const FIRST_TICKS = 2;
/** Another image than the canary is given this long after its first line. */
const SETTLE_MS = 2000;
/** And this long to say something at all once its init runs. */
const SILENT_MS = 10_000;

function isReady(canary: CanaryConsole): boolean {
  return canary.ready && canary.cpuid !== undefined && canary.ticks >= FIRST_TICKS;
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
    `the guest did not come up on ${node}: ${died.message}\n${tail}`,
  );
}

async function untilUp(
  site: Site,
  { node }: Station,
  vm: MicroVm,
  canary: boolean,
): Promise<CanaryConsole> {
  const done = canary ? isReady : settled();
  const watch = { lacks: () => false, signal: site.signal };
  const { console: text, died } = await watchGuest(vm, done, watch);
  if (died !== undefined) throw failedBoot(node.name, died, text);
  return readCanary(text);
}

async function snapshotOf(vm: MicroVm, site: Site, name: string): Promise<SnapshotFiles> {
  const directory = await place(site, "snapshots", name);
  const files = { state: join(directory, "state.json"), memory: join(directory, "memory") };
  await vm.pause();
  await vm.snapshot(files, "full");
  return files;
}

function exercisedBy(canary: CanaryConsole): Set<string> {
  return new Set(canary.features.map((name) => name.split(" ")[0] ?? name));
}

function contractOf(profile: NodeProfile, template?: CpuTemplate, templateName?: string) {
  const firecracker = profile.firecracker[0] ?? "";
  const shaped = template === undefined ? {} : { template };
  const named = templateName === undefined ? {} : { templateName };
  const options = { firecracker, vcpus: 1, smt: false, ...shaped, ...named };
  const result = predictContract(profile, options);
  if (!result.ok) {
    const missing = result.missing.join(", ");
    throw new LabError("GUEST_FAILED", `the template does not fit ${profile.name}: ${missing}`);
  }
  return result.contract;
}

/** Looks at a node from inside; where the guest is the canary itself, its snapshot is taken too. */
export async function probe(
  site: Site,
  station: Station,
  canaryInitrd: string,
): Promise<{ readonly probed: ProbedNode; readonly taken: Taken | undefined }> {
  const { node, driver, id } = station;
  return withBooted(site, station, { kind: "none" }, canaryInitrd, async (vm) => {
    const canary = await untilUp(site, station, vm, true);
    const { cpuid = [], features } = canary;
    station.offered = cpuid;
    const profile = profileOf(node, cpuid, driver.version);
    const probed = { name: node.name, cpu: node.cpu, profile, executes: features, cpuid };
    if (!site.canary) return { probed, taken: undefined };
    const files = await snapshotOf(vm, site, `${id}-none`);
    const contract = contractOf(profile);
    const exercised = exercisedBy(canary);
    return {
      probed,
      taken: { station, profile, files, contract, cpuid, exercised, planned: undefined },
    };
  });
}

export interface Shape {
  readonly name: string;
  readonly template: CpuTemplate | undefined;
  readonly planned: GuestCpu | undefined;
}

/** Boots the lab's image on a node through a template, and takes its snapshot. */
export async function take(
  site: Site,
  station: Station,
  profile: NodeProfile,
  { name, template, planned }: Shape,
): Promise<{ readonly boot: LabBoot; readonly taken: Taken }> {
  const cpu: CpuChoice = template === undefined ? { kind: "none" } : { kind: "template", template };
  const contract = contractOf(profile, template, name);
  station.findings = [];
  return withBooted(site, station, cpu, site.initrd, async (vm) => {
    const unexpressed = station.findings;
    const canary = await untilUp(site, station, vm, site.canary);
    const files = await snapshotOf(vm, site, `${station.id}-${cpu.kind}`);
    const { cpuid } = canary;
    const inside =
      planned === undefined || cpuid === undefined
        ? undefined
        : insideView(planned, cpuid, unexpressed);
    const exercised = exercisedBy(canary);
    return {
      boot: { node: station.node.name, inside, unexpressed },
      taken: { station, profile, files, contract, cpuid, exercised, planned },
    };
  });
}
