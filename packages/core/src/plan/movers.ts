/** The nodes of a class that no rule tells apart: what a plan judges moves between. */
import { groupBy } from "../group.ts";
import { ALL_LINES, isEmulator, isPreRelease, lineOf, newestVersion } from "../tables/releases.ts";
import { compareText } from "../format/text.ts";
import { kernelLine } from "../tables/kernels.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuTemplate } from "../template/template.ts";
import { withSameClocks } from "../verdict/clocks.ts";
import { circumstances } from "../verdict/entries.ts";

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
  readonly firecracker: string;
}

/** Releases of the lines that are planned for; what a build between two releases writes is open. */
function isRelease(version: string, lines: readonly string[]): boolean {
  const line = lineOf(version);
  return line !== undefined && lines.includes(line) && !isPreRelease(version);
}

/** For nodes whose profiles name no release: those that the others have, else the newest. */
function assumedReleases(named: ReadonlySet<string>, lines: readonly string[]): string[] {
  const all = [...named].toSorted(compareText);
  if (all.length > 0) return all;
  const newest = lines.at(-1) ?? ALL_LINES.at(-1) ?? "";
  return [isEmulator(newest) ? newest : `${newest}.0`];
}

interface Alike {
  readonly judged: NodeProfile;
  readonly nodes: readonly string[];
}

function labels(id: string, members: readonly Alike[]): string[] {
  if (members.length === 1) return [id];
  const taken = new Map<string, number>();
  return members.map(({ judged: { host } }) => {
    const label = `${id}@${kernelLine(host.kernel) ?? "?"}`;
    const count = (taken.get(label) ?? 0) + 1;
    taken.set(label, count);
    return count === 1 ? label : `${label}#${count}`;
  });
}

type KeyOf = (profile: NodeProfile) => string;

/** Nodes that no rule tells apart as `judgedOf` makes them; grouped before, too, for speed. */
function groupAlike(
  profiles: readonly NodeProfile[],
  keyOf: KeyOf,
  judgedOf: (profile: NodeProfile) => NodeProfile,
): Alike[] {
  const alike = [...groupBy(profiles, keyOf).values()].flatMap((members): Alike[] => {
    const [first] = members;
    const nodes = members.map(({ name }) => name);
    return first === undefined ? [] : [{ judged: judgedOf(first), nodes }];
  });
  return [...groupBy(alike, ({ judged }) => keyOf(judged)).values()].flatMap((groups): Alike[] => {
    const [first] = groups;
    if (first === undefined || groups.length === 1) return groups;
    return [
      { judged: first.judged, nodes: groups.flatMap(({ nodes }) => nodes).toSorted(compareText) },
    ];
  });
}

/** Every class's nodes, grouped; sorted by class, then by the name of the first node. */
export function moversOf(classes: readonly Planned[], lines: readonly string[]): Mover[] {
  const profiles = classes.flatMap((planned) => planned.profiles);
  const versions = new Set(profiles.flatMap(({ firecracker }) => firecracker));
  const releases = new Set([...versions].filter((version) => isRelease(version, lines)));
  const assumed = assumedReleases(releases, lines);
  const clocked = withSameClocks(profiles);
  const keyOf = circumstances();
  const judgedOf = (profile: NodeProfile): NodeProfile => {
    const named = profile.firecracker.filter((version) => releases.has(version));
    // A plan warns of estimates; that they are no measurements is no template's doing.
    return { ...profile, firecracker: named.length > 0 ? named : assumed, estimate: false };
  };
  let at = 0;
  return classes.flatMap(({ id, template, profiles: { length } }): Mover[] => {
    const own = clocked.slice(at, at + length);
    at += length;
    const groups = groupAlike(own, keyOf, judgedOf);
    const names = labels(id, groups);
    return groups.map(({ judged, nodes }, i) => ({
      label: names[i] ?? id,
      class: id,
      nodes,
      template,
      profile: judged,
      firecracker: newestVersion(judged.firecracker) ?? assumed.at(-1) ?? "",
    }));
  });
}
