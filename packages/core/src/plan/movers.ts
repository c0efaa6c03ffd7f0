/** The nodes of a class that no rule tells apart: what a plan judges moves between. */
import { isSameTsc } from "../firecracker/tsc.ts";
import { ALL_LINES, isEmulator, isOpenFormat, lineOf, newestVersion } from "../firecracker/versions.ts";
import { compareText } from "../format/text.ts";
import { kernelLine } from "../profile/kernel.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuTemplate } from "../template/template.ts";
import { circumstances } from "../verdict/entries.ts";

/** A class under a plan. */
export interface Planned {
  readonly id: string;
  readonly template: CpuTemplate;
  readonly profiles: readonly NodeProfile[];
}

export interface Mover {
  /** The class's id, with what sets these nodes apart where the class has more of them. */
  readonly label: string;
  readonly class: string;
  readonly nodes: readonly string[];
  readonly template: CpuTemplate;
  /** One of them. Firecracker versions are those that the plan is for. */
  readonly profile: NodeProfile;
  /** The Firecracker that takes their snapshots. */
  readonly firecracker: string;
}

/** Releases of the lines that are planned for; what a build between two releases writes is open. */
function releasesOf({ firecracker }: NodeProfile, lines: readonly string[]): string[] {
  return firecracker.filter((version) => {
    const line = lineOf(version);
    return line !== undefined && lines.includes(line) && !isOpenFormat(version);
  });
}

/** For nodes whose profiles name no release: those that the others have, else the newest. */
function assumedReleases(named: readonly (readonly string[])[], lines: readonly string[]) {
  const all = [...new Set(named.flat())].toSorted(compareText);
  if (all.length > 0) return all;
  const newest = lines.at(-1) ?? ALL_LINES.at(-1) ?? "";
  return [isEmulator(newest) ? newest : `${newest}.0`];
}

/**
 * The TSC is calibrated anew at each boot: of frequencies that Firecracker takes for the same, one
 * stands for all, so that a fleet does not fall apart into as many rows as nodes.
 */
function sameClocks(profiles: readonly NodeProfile[]): ReadonlyMap<number, number> {
  const all = new Set(profiles.flatMap(({ tsc }) => tsc?.khz ?? []));
  const clocks = new Map<number, number>();
  let first: number | undefined;
  for (const khz of [...all].toSorted((a, b) => a - b)) {
    if (first === undefined || !isSameTsc(first, khz)) first = khz;
    clocks.set(khz, first);
  }
  return clocks;
}

function withClock(profile: NodeProfile, clocks: ReadonlyMap<number, number>): NodeProfile {
  const { tsc } = profile;
  if (tsc === undefined) return profile;
  return { ...profile, tsc: { ...tsc, khz: clocks.get(tsc.khz) ?? tsc.khz } };
}

function labels(id: string, members: readonly NodeProfile[]): string[] {
  if (members.length === 1) return [id];
  const taken = new Map<string, number>();
  return members.map(({ host }) => {
    const label = `${id}@${kernelLine(host.kernel) ?? "?"}`;
    const count = (taken.get(label) ?? 0) + 1;
    taken.set(label, count);
    return count === 1 ? label : `${label}#${count}`;
  });
}

/** Every class's nodes, grouped; sorted by class, then by the name of the first node. */
export function moversOf(classes: readonly Planned[], lines: readonly string[]): Mover[] {
  const profiles = classes.flatMap((planned) => planned.profiles);
  const named = new Map(profiles.map((profile) => [profile, releasesOf(profile, lines)]));
  const assumed = assumedReleases([...named.values()], lines);
  const clocks = sameClocks(profiles);
  return classes.flatMap(({ id, template, profiles: own }): Mover[] => {
    const groups = new Map<string, NodeProfile[]>();
    for (const profile of own) {
      const releases = named.get(profile) ?? [];
      const judged: NodeProfile = {
        ...withClock(profile, clocks),
        firecracker: releases.length > 0 ? releases : assumed,
        // A plan warns of estimates; that they are no measurements is no template's doing.
        estimate: false,
      };
      const key = circumstances(judged);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [judged]);
      else group.push(judged);
    }
    const members = [...groups.values()];
    const firsts = members.flatMap(([first]) => first ?? []);
    const names = labels(id, firsts);
    return firsts.map((profile, i) => ({
      label: names[i] ?? id,
      class: id,
      nodes: (members[i] ?? []).map(({ name }) => name),
      template,
      profile,
      firecracker: newestVersion(profile.firecracker) ?? assumed.at(-1) ?? "",
    }));
  });
}
