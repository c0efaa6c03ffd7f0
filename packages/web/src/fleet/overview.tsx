/** The fleet in sentences, then its classes and what happened last. */
import { Section, Table } from "../pictures/parts.tsx";
import { Sentences, type Sentence } from "../page/overview.tsx";
import { few, plural, short } from "../view/text.ts";
import type { FleetPage } from "./data.ts";

type Overview = Extract<FleetPage, { readonly page: "overview" }>;

function nodeSentence({ nodes, classes }: Overview): Sentence {
  const away = nodes.filter(({ state }) => state !== "ready");
  const held = nodes.filter((node) => node.held !== null);
  const closed = nodes.filter(({ cordoned }) => cordoned);
  const parts = [
    ...(away.length === 0 ? [] : [`${away.length} silent`]),
    ...(held.length === 0 ? [] : [`${held.length} held`]),
    ...(closed.length === 0 ? [] : [`${closed.length} cordoned`]),
  ];
  const text = `${plural(nodes.length, "node")} in ${plural(classes.length, "class")}`;
  if (nodes.length === 0)
    return { tone: "unknown", text: "No node has joined yet.", href: "/nodes" };
  const rest = parts.length === 0 ? "all ready" : parts.join(", ");
  const tone = away.length + held.length > 0 ? "insecure" : "compatible";
  return { tone, text: `${text}: ${rest}.`, href: "/nodes" };
}

function snapshotSentences({ snapshots }: Overview): Sentence[] {
  const stranded = snapshots.filter(({ resumable }) => resumable === 0);
  const last = snapshots.filter(({ resumable }) => resumable === 1);
  const of = `of ${plural(snapshots.length, "snapshot")}`;
  const href = "/snapshots";
  const worst = "/snapshots?q=stranded";
  if (snapshots.length === 0) return [{ tone: "unknown", text: "No node holds a snapshot.", href }];
  return [
    stranded.length === 0
      ? {
          tone: "compatible",
          text: `None ${of} is stranded: each has a node that can resume it.`,
          href,
        }
      : {
          tone: "incompatible",
          text: `${stranded.length} ${of} can resume nowhere: ${few(stranded.map(({ name }) => name))}.`,
          href: worst,
        },
    ...(last.length === 0
      ? []
      : [
          {
            tone: "insecure" as const,
            text: `${last.length} ${of} can resume on one node only: ${few(last.map(({ name }) => name))}.`,
            href,
          },
        ]),
  ];
}

function poolSentence({ pools }: Overview): Sentence {
  const href = "/pools";
  const without = pools.filter(({ running }) => running === null);
  const behind = pools.filter((pool) => pool.running !== null && pool.applied < pool.nodes.length);
  if (pools.length === 0) return { tone: "unknown", text: "There is no pool yet.", href };
  if (without.length > 0) {
    return {
      tone: "insecure",
      text: `${few(without.map(({ name }) => name))}: no plan is running.`,
      href,
    };
  }
  return behind.length === 0
    ? {
        tone: "compatible",
        text: `${plural(pools.length, "pool")}: every node applies its plan.`,
        href,
      }
    : {
        tone: "insecure",
        text: `${few(behind.map(({ name }) => name))}: not every node applies the plan yet.`,
        href,
      };
}

export function OverviewPage(data: Overview) {
  const { classes, contracts, audit } = data;
  return (
    <>
      <h1>Overview</h1>
      <Sentences sentences={[nodeSentence(data), poolSentence(data), ...snapshotSentences(data)]} />
      <Section id="classes" title="Classes">
        <Table
          caption="Classes of nodes"
          rows={classes}
          columns={[
            { title: "Class", cell: (row) => <code>{short(row.class, 48)}</code> },
            { title: "Architecture", cell: ({ arch }) => arch },
            { title: "Nodes", cell: ({ nodes }) => nodes, numeric: true },
            {
              title: "Kernels",
              cell: ({ variants }) =>
                few([...new Set(variants.map(({ kernel }) => kernel ?? "?"))]),
            },
            {
              title: `Serves, of ${plural(contracts, "contract")}`,
              numeric: true,
              cell: ({ variants }) => Math.max(0, ...variants.map(({ serves }) => serves)),
            },
          ]}
        />
      </Section>
      <Section id="events" title="What happened last">
        <Table
          caption="Audit log, newest first"
          rows={audit}
          columns={[
            { title: "When", cell: ({ time }) => <time dateTime={time}>{time}</time> },
            { title: "Who", cell: ({ actor }) => short(actor, 60) },
            { title: "What", cell: ({ action }) => action },
            { title: "Of", cell: ({ subject }) => short(subject, 60) },
          ]}
        />
      </Section>
    </>
  );
}
