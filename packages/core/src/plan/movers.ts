/** The nodes of a class that no rule tells apart: what a plan judges moves between. */
import { ALL_LINES, isEmulator, isOpenFormat, lineOf, newestVersion } from "../tables/releases.ts";
import { compareText } from "../format/text.ts";
import { kernelLine } from "../tables/kernels.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuTemplate } from "../template/template.ts";
import { withSameClocks } from "../verdict/clocks.ts";
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
function isRelease(version: string, lines: readonly string[]): boolean {
  const line = lineOf(version);
  return line !== undefined && lines.includes(line) && !isOpenFormat(version);
}

/** For nodes whose profiles name no release: those that the others have, else the newest. */
function assumedReleases(named: ReadonlySet<string>, lines: readonly string[]): string[] {
  const all = [...named].toSorted(compareText);
  if (all.length > 0) return all;
  const newest = lines.at(-1) ?? ALL_LINES.at(-1) ?? "";
  return [isEmulator(newest) ? newest : `${newest}.0`];
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
  const versions = new Set(profiles.flatMap(({ firecracker }) => firecracker));
  const releases = new Set([...versions].filter((version) => isRelease(version, lines)));
  const assumed = assumedReleases(releases, lines);
  const clocked = withSameClocks(profiles);
  const keyOf = circumstances();
  let at = 0;
  return classes.flatMap(({ id, template, profiles: own }): Mover[] => {
    const groups = new Map<string, NodeProfile[]>();
    for (const profile of own) {
      const named = profile.firecracker.filter((version) => releases.has(version));
      const judged: NodeProfile = {
        ...(clocked[at++] ?? profile),
        firecracker: named.length > 0 ? named : assumed,
        // A plan warns of estimates; that they are no measurements is no template's doing.
        estimate: false,
      };
      const key = keyOf(judged);
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
