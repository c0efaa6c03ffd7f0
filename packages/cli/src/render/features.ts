/** Features by group, in the order a person reads them. */
import { GROUP_ORDER } from "@evenkeel/core";
import { labelled } from "./layout.ts";

export interface Grouped {
  readonly name: string;
  readonly group: string;
}

function byGroup<T extends Grouped>(items: readonly T[]): [group: string, items: T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(item.group, [...(groups.get(item.group) ?? []), item]);
  const rank = (group: string) => {
    const index = GROUP_ORDER.indexOf(group);
    return index === -1 ? GROUP_ORDER.length : index;
  };
  return [...groups].toSorted(([a], [b]) => rank(a) - rank(b));
}

const LABEL_WIDTH = 22;

/** One wrapped paragraph per group. */
export function featureLines(items: readonly Grouped[], indent: number): string[] {
  return byGroup(items).flatMap(([group, members]) =>
    labelled(
      group,
      members.map(({ name }) => name),
      indent,
      indent + LABEL_WIDTH,
    ),
  );
}
