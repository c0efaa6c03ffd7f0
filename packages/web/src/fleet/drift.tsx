/** What changed on nodes, by class, and what it did to verdicts. */
import { groupBy } from "@evenkeel/core";
import { isDriftOutcome, Timeline, type TimelineEntry } from "../pictures/drift.tsx";
import { Section, Table, Twin } from "../pictures/parts.tsx";
import { Sentences, type Sentence } from "../page/overview.tsx";
import { few, plural, short } from "../view/text.ts";
import type { PageOf } from "./data.ts";
import { Time } from "./parts.tsx";

type Data = PageOf<"drift">;
type Change = Data["drifts"]["changes"][number];
type Facts = Change["before"];

/** Changes of a class that are drawn. */
const MOST = 40;

const FACTS: readonly (readonly [string, (facts: Facts) => string | undefined])[] = [
  ["kernel", ({ kernel }) => kernel ?? undefined],
  ["microcode", ({ microcode }) => microcode ?? undefined],
  ["BIOS", ({ bios }) => bios ?? undefined],
  ["Firecracker", ({ firecracker }) => firecracker.join(", ") || undefined],
];

function whoText({ nodes }: Change): string {
  const { count, names } = nodes;
  return count === names.length ? few(names) : `${plural(count, "node")}, such as ${few(names, 3)}`;
}

function servedText({ served }: Change): string {
  const { before, after } = served;
  if (before === after) return `resumes ${plural(after, "contract")}, as before`;
  return `resumes ${plural(after, "contract")}, before it ${before}`;
}

function factsOf(change: Change): TimelineEntry["facts"] {
  const { before, after } = change;
  const moved =
    change.class === change.to ? [] : [{ fact: "class", from: change.class, to: change.to }];
  const facts = FACTS.map(([fact, read]) => ({ fact, from: read(before), to: read(after) }));
  return [...moved, ...facts.filter(({ from, to }) => from !== to)];
}

function entryOf(change: Change): TimelineEntry {
  const { drift, last, reasons } = change;
  return {
    node: whoText(change),
    time: last,
    outcome: drift !== null && isDriftOutcome(drift) ? drift : undefined,
    facts: factsOf(change),
    reasons: [`A node like that ${servedText(change)}.`, ...reasons],
  };
}

function lostText(lost: readonly Change[]): Sentence[] {
  if (lost.length === 0) return [];
  const nodes = lost.reduce((sum, change) => sum + change.nodes.count, 0);
  return [
    {
      tone: "insecure",
      text: `After ${plural(lost.length, "change")} of ${plural(nodes, "node")}, fewer contracts resume there than before.`,
    },
  ];
}

function ClassChanges({
  name,
  changes,
}: {
  readonly name: string;
  readonly changes: readonly Change[];
}) {
  const shown = changes.slice(0, MOST);
  const id = `class-${name.replaceAll(/[^\w-]/g, "-").slice(0, 80)}`;
  return (
    <Section id={id} title={short(name, 80)}>
      <Timeline entries={shown.map(entryOf)} />
      {changes.length > shown.length && (
        <p>{plural(changes.length - shown.length, "older change")} are not shown.</p>
      )}
      <Twin title="As a table">
        <Table
          caption={`Changes of ${short(name, 80)}`}
          rows={shown}
          columns={[
            { title: "Last", cell: ({ last }) => <Time at={last} /> },
            { title: "First", cell: ({ first }) => <Time at={first} /> },
            { title: "Nodes", cell: ({ nodes }) => nodes.count, numeric: true },
            { title: "Drift", cell: ({ drift }) => short(drift ?? "", 40) },
            {
              title: "Changed",
              cell: (change) =>
                few(
                  factsOf(change).map(
                    ({ fact, from, to }) => `${fact} ${from ?? "not said"} → ${to ?? "not said"}`,
                  ),
                ),
            },
            { title: "Resumed before", cell: ({ served }) => served.before, numeric: true },
            { title: "Resumes now", cell: ({ served }) => served.after, numeric: true },
          ]}
        />
      </Twin>
    </Section>
  );
}

export function DriftPage({ drifts, contracts }: Data) {
  const { changes, more } = drifts;
  const classes = groupBy(changes, (change) => change.class);
  const lost = changes.filter(({ served }) => served.after < served.before);
  const nodes = changes.reduce((sum, change) => sum + change.nodes.count, 0);
  return (
    <>
      <h1>Drift</h1>
      {changes.length === 0 ? (
        <p>No node has changed since it joined.</p>
      ) : (
        <Sentences
          sentences={[
            {
              tone: lost.length === 0 ? "compatible" : "insecure",
              text: `${plural(changes.length, "change")} of ${plural(nodes, "node")} in ${plural(classes.size, "class")}; the fleet knows ${plural(contracts, "contract")}.`,
            },
            ...lostText(lost),
          ]}
        />
      )}
      {more && <p>Older changes are on the pages of nodes.</p>}
      {[...classes].map(([name, own]) => (
        <ClassChanges key={name} name={name} changes={own} />
      ))}
    </>
  );
}
