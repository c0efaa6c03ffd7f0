/** Moving snapshots: every one is resumed on every other node, and watched. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  judge,
  type CpuContract,
  type GuestCpu,
  type CpuidEntry,
  type Judgement,
} from "@evenkeel/core";
import { HostError, type MicroVm } from "@evenkeel/host";
import {
  carry,
  releaseOf,
  remove,
  requireDone,
  resume,
  stateOf,
  type Member,
  type Resumed,
} from "./agents.ts";
import { assess, isLenient, isSaid, type Said } from "./assess.ts";
import { readCanary } from "./console.ts";
import { LabError } from "./errors.ts";
import { hasFeatureBit } from "./features.ts";
import { watchGuest } from "./guest.ts";
import { diedWithout, type Outcome } from "./outcome.ts";
import { mapParallel } from "./parallel.ts";
import { insideView, type InsideView, type LabPair } from "./result.ts";
import type { Site } from "./site.ts";

/** A snapshot held by a node's agent, and what is known about the guest in it. */
export interface Taken {
  readonly member: Member;
  /** Its name. */
  readonly snapshot: string;
  readonly contract: CpuContract;
  /** CPUID as the guest saw it when it was taken; undefined where it does not report. */
  readonly cpuid: readonly CpuidEntry[] | undefined;
  /** Features whose instructions it executes. */
  readonly exercised: ReadonlySet<string>;
  /** The guest CPU that was planned for it. */
  readonly planned: GuestCpu | undefined;
}

export interface Moves {
  readonly rounds: number;
  /** Ticks that a guest must live after a resume. */
  readonly ticks: number;
  readonly parallel: number;
  readonly report: (line: string) => void;
}

/** How long another image than the canary must live after a resume. */
const OTHER_IMAGE_MS = 5000;

interface Lived {
  readonly outcome: Outcome;
  readonly cpuid: readonly CpuidEntry[] | undefined;
}

interface Watched extends Lived {
  readonly sandbox: LabPair["sandbox"];
}

function linesIn(text: string): number {
  return text.split("\n").length - 1;
}

async function liveOn(site: Site, vm: MicroVm, to: Member, ticks: number): Promise<Lived> {
  const start = Date.now();
  const done = site.canary
    ? (canary: { ticks: number }) => canary.ticks >= ticks
    : () => Date.now() - start >= OTHER_IMAGE_MS;
  const lacks = (feature: string) =>
    !isLenient(feature) && !hasFeatureBit(to.probed.profile.cpu.cpuid, feature);
  const { console: text, died } = await watchGuest(vm, done, { lacks, signal: site.signal });
  const canary = readCanary(text);
  const lived = site.canary ? canary.ticks : linesIn(text);
  return { outcome: died ?? { kind: "survived", ticks: lived }, cpuid: canary.cpuid };
}

function insideOf(from: Taken, to: Member, { outcome, cpuid }: Lived): InsideView | undefined {
  // Unchanged CPUID is not reported again.
  const seen = cpuid ?? from.cpuid;
  if (from.planned === undefined || seen === undefined) return undefined;
  if (outcome.kind !== "survived") return undefined;
  return insideView(from.planned, seen, to.station.findings);
}

/** A machine exits soon after its console reported the end; a stuck or silent one does not. */
const ENDING_MS = 2000;

async function ends(vm: MicroVm, { kind }: Outcome): Promise<boolean> {
  if (kind === "survived" || kind === "stuck" || kind === "silent") return false;
  const exited = vm.exited.then(() => true);
  return Promise.race([exited, sleep(ENDING_MS, false, { ref: false })]);
}

/** A QEMU that cannot load a snapshot reports that, or exits. */
const REFUSALS: ReadonlySet<string> = new Set(["VMM_REFUSED", "VMM_START_FAILED", "VMM_GONE"]);

/** Watches the sandbox, if the agent made one. */
async function watchSandbox(
  site: Site,
  to: Member,
  id: string,
  ticks: number,
  { answer }: Resumed,
): Promise<Watched> {
  const vm = to.recording.started.get(id);
  if (vm instanceof HostError && REFUSALS.has(vm.code)) {
    const outcome = diedWithout("load-refused", vm.message);
    return { outcome, cpuid: undefined, sandbox: undefined };
  }
  requireDone(to, answer);
  try {
    if (vm === undefined || vm instanceof Error) throw new Error(`${id} runs without a microVM`);
    const lived = await liveOn(site, vm, to, ticks);
    return { ...lived, sandbox: await stateOf(to, id, await ends(vm, lived.outcome)) };
  } finally {
    await remove(to, `/v1/sandboxes/${id}`);
  }
}

/** The judgement, if the agent gave the same one; else throws VERDICTS_DIFFER. */
function judgementOf(from: Taken, to: Member, said: Said): Judgement {
  const judgement = judge(from.contract, to.probed.profile, releaseOf(to.probed));
  if (isSaid(judgement, said)) return judgement;
  const names = `${from.member.station.node.name} → ${to.station.node.name}`;
  const verdicts = `its agent's verdict is ${said.verdict}; evenkeel check says ${judgement.verdict}`;
  throw new LabError("VERDICTS_DIFFER", `${names}: ${verdicts}, or their findings differ`);
}

async function move(
  site: Site,
  from: Taken,
  to: Member,
  round: number,
  { ticks, report }: Moves,
): Promise<LabPair> {
  site.signal.throwIfAborted();
  // A sandbox and the snapshot that it comes from; unique among all of the lab.
  const id = `${from.snapshot.replaceAll(".", "-")}-${to.station.id}-${round}`;
  await carry(from.member, to, from.snapshot, id);
  const resumed = await resume(to, id, id);
  const lived = await watchSandbox(site, to, id, ticks, resumed);
  await remove(to, `/v1/snapshots/${id}`);
  const judgement = judgementOf(from, to, resumed);
  const names = { from: from.member.station.node.name, to: to.station.node.name };
  const { outcome, sandbox } = lived;
  const how = outcome.kind === "survived" ? "lives" : `died: ${outcome.kind}`;
  report(`${names.from} → ${names.to}: ${how}`);
  return {
    ...names,
    round,
    ...judgement,
    outcome,
    sandbox,
    assessment: assess(judgement, outcome, from.exercised),
    inside: insideOf(from, to, lived),
  };
}

/** Every ordered pair of nodes of one vendor, as often as there are rounds. */
export async function moveAll(
  site: Site,
  taken: readonly Taken[],
  moves: Moves,
): Promise<LabPair[]> {
  const pairs = taken.flatMap((from) =>
    taken
      .filter((to) => to !== from && to.contract.vendor === from.contract.vendor)
      .map((to) => [from, to] as const),
  );
  const rounds = Array.from({ length: moves.rounds }, (_, i) => i + 1);
  const all = rounds.flatMap((round) => pairs.map(([from, to]) => [from, to, round] as const));
  return mapParallel(all, moves.parallel, ([from, to, round]) =>
    move(site, from, to.member, round, moves),
  );
}
