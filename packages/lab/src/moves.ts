/** Moving snapshots: every one is resumed on every other node, and watched. */
import {
  judge,
  type CpuContract,
  type GuestCpu,
  type CpuidEntry,
  type NodeProfile,
} from "@evenkeel/core";
import type { MicroVm, SnapshotFiles } from "@evenkeel/host";
import { assess, isLenient } from "./assess.ts";
import { readCanary } from "./console.ts";
import { watchGuest } from "./guest.ts";
import { diedWithout, type Outcome } from "./outcome.ts";
import { mapParallel } from "./parallel.ts";
import { insideView, type InsideView, type LabPair } from "./result.ts";
import { place, withResumed, type Site, type Station } from "./site.ts";
import { hasFeatureBit } from "./features.ts";

/** A snapshot, and what is known of the guest in it. */
export interface Taken {
  readonly station: Station;
  readonly profile: NodeProfile;
  readonly files: SnapshotFiles;
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

function linesIn(text: string): number {
  return text.split("\n").length - 1;
}

async function liveOn(site: Site, vm: MicroVm, to: Taken, ticks: number): Promise<Lived> {
  const start = Date.now();
  const done = site.canary
    ? (canary: { ticks: number }) => canary.ticks >= ticks
    : () => Date.now() - start >= OTHER_IMAGE_MS;
  const lacks = (feature: string) =>
    !isLenient(feature) && !hasFeatureBit(to.profile.cpu.cpuid, feature);
  const { console: text, died } = await watchGuest(vm, done, { lacks, signal: site.signal });
  const canary = readCanary(text);
  const lived = site.canary ? canary.ticks : linesIn(text);
  return { outcome: died ?? { kind: "survived", ticks: lived }, cpuid: canary.cpuid };
}

function insideOf(from: Taken, to: Taken, { outcome, cpuid }: Lived): InsideView | undefined {
  // What does not change is not reported again.
  const seen = cpuid ?? from.cpuid;
  if (from.planned === undefined || seen === undefined) return undefined;
  if (outcome.kind !== "survived") return undefined;
  return insideView(from.planned, seen, to.station.findings);
}

async function move(
  site: Site,
  from: Taken,
  to: Taken,
  round: number,
  { ticks, report }: Moves,
): Promise<LabPair> {
  const directory = await place(site, `${from.station.id}-${to.station.id}-${round}`);
  const work = (vm: MicroVm) => liveOn(site, vm, to, ticks);
  const result = await withResumed(site, to.station, from.files, directory, work);
  const lived: Lived =
    "refused" in result
      ? { outcome: diedWithout("load-refused", result.refused), cpuid: undefined }
      : result;
  const judgement = judge(from.contract, to.profile);
  const names = { from: from.station.node.name, to: to.station.node.name };
  const { outcome } = lived;
  const how = outcome.kind === "survived" ? "lives" : `died: ${outcome.kind}`;
  report(`${names.from} → ${names.to}: ${how}`);
  return {
    ...names,
    round,
    ...judgement,
    outcome,
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
    move(site, from, to, round, moves),
  );
}
