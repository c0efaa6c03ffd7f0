/** The fleet in sentences, then what is left if a class goes, and what happened last. */
import { Section } from "../pictures/parts.tsx";
import { Spare } from "../pictures/spare.tsx";
import { Sentences, type Sentence } from "../page/overview.tsx";
import { few, plural } from "../view/text.ts";
import type { PageOf } from "./data.ts";
import { ClassLink, Events } from "./parts.tsx";

type Data = PageOf<"overview">;
type Overview = Data["overview"];

function nodeSentence({ nodes, classes }: Overview): Sentence {
  const { all, suspect, lost, held, cordoned } = nodes;
  const away = suspect + lost;
  const parts = [
    ...(away === 0 ? [] : [`${away} silent`]),
    ...(held === 0 ? [] : [`${held} held`]),
    ...(cordoned === 0 ? [] : [`${cordoned} cordoned`]),
  ];
  if (all === 0) return { tone: "unknown", text: "No node has joined yet.", href: "/nodes" };
  const text = `${plural(all, "node")} in ${plural(classes.length, "class")}`;
  const rest = parts.length === 0 ? "all ready" : parts.join(", ");
  const tone = away + held > 0 ? "insecure" : "compatible";
  return { tone, text: `${text}: ${rest}.`, href: "/nodes" };
}

type Named = Overview["snapshots"]["single"];

function namesText({ names, count }: Named): string {
  return few([...names, ...Array.from({ length: Math.max(0, count - names.length) }, () => "")]);
}

function snapshotSentences({ snapshots }: Overview): Sentence[] {
  const { all, stranded, single, oneClass } = snapshots;
  const of = `of ${plural(all, "snapshot")}`;
  const href = "/snapshots";
  if (all === 0) return [{ tone: "unknown", text: "No node holds a snapshot.", href }];
  return [
    stranded.count === 0
      ? {
          tone: "compatible",
          text: `None ${of} is stranded: each has a node that can resume it.`,
          href,
        }
      : {
          tone: "incompatible",
          text: `${stranded.count} ${of} can resume nowhere: ${namesText(stranded)}.`,
          href: "/snapshots?q=stranded",
        },
    ...(single.count === 0
      ? []
      : [
          {
            tone: "insecure" as const,
            text: `${single.count} ${of} can resume on one node only: ${namesText(single)}.`,
            href: "/snapshots?q=one-node",
          },
        ]),
    ...(oneClass.count === 0
      ? []
      : [
          {
            tone: "insecure" as const,
            text: `${oneClass.count} ${of} can resume on one class only.`,
            href: "/snapshots?q=one-class",
          },
        ]),
  ];
}

function roomSentence({ classes, used, room }: Overview): Sentence[] {
  if (classes.length === 0) return [];
  const missed = classes.filter(({ left }) => left.sandboxes < 0 || left.memoryMib < 0);
  const runs = `${plural(used.sandboxes, "sandbox")} run, of ${room.sandboxes} that fit`;
  const href = "#spare";
  return [
    missed.length === 0
      ? { tone: "compatible", text: `${runs}. Whichever class goes, they fit on the others.`, href }
      : {
          tone: "insecure",
          text: `${runs}. They would not fit on the others if one of these went: ${few(missed.map((one) => one.class))}.`,
          href,
        },
  ];
}

function poolSentence({ pools }: Data): Sentence {
  const href = "/pools";
  const without = pools.filter(({ running }) => running === null);
  const behind = pools.filter((pool) => pool.running !== null && pool.applied < pool.nodes.length);
  const halted = pools.filter(({ rollout }) => rollout?.state === "halted");
  if (pools.length === 0) return { tone: "unknown", text: "There is no pool yet.", href };
  if (halted.length > 0) {
    const [first] = halted;
    const to =
      halted.length === 1 ? `/pools/${encodeURIComponent(first?.name ?? "")}/rollout` : href;
    return {
      tone: "incompatible",
      text: `${few(halted.map(({ name }) => name))}: the rollout was halted.`,
      href: to,
    };
  }
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

export function OverviewPage(data: Data) {
  const { overview, audit } = data;
  const sentences = [
    nodeSentence(overview),
    poolSentence(data),
    ...snapshotSentences(overview),
    ...roomSentence(overview),
  ];
  return (
    <>
      <h1>Overview</h1>
      <Sentences sentences={sentences} />
      <Section id="spare" title="What is left if a class goes">
        <p>
          The frame is what the fleet can run, the pale bar what the other classes can, the dark one
          what runs now. A snapshot is stranded if no other class can resume it.
        </p>
        <Spare
          overview={overview}
          nameOf={(name) => <ClassLink name={name} />}
          changeOf={(name) => `/change?${new URLSearchParams({ remove: name }).toString()}`}
        />
      </Section>
      <Section id="events" title="What happened last">
        <Events caption="Audit log, newest first" events={audit} />
      </Section>
    </>
  );
}
