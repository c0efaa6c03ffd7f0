/** Nodes: all of them as a table, and one with its history. */
import type { NodeView } from "@evenkeel/api";
import { Timeline, isDriftOutcome, type TimelineEntry } from "../pictures/drift.tsx";
import { Section, Table } from "../pictures/parts.tsx";
import { few, plural, short } from "../view/text.ts";
import { Tiles } from "../pictures/tiles.tsx";
import type { ChangeRow, PageOf } from "./data.ts";
import { ClassLink, NodeLink, Time } from "./parts.tsx";
import { Pager, Search } from "./search.tsx";

const STATES = {
  ready: { sign: "✓", tone: "compatible" },
  suspect: { sign: "?", tone: "unknown" },
  lost: { sign: "✕", tone: "incompatible" },
} as const;

function State({ node }: { readonly node: NodeView }) {
  const { sign, tone } = STATES[node.state];
  return (
    <>
      <span class={`badge ${tone}`}>
        <span aria-hidden="true">{sign}</span> {node.state}
      </span>
      {node.held !== null && " held"}
      {node.cordoned && " cordoned"}
    </>
  );
}

function roomText({ capacity }: NodeView): string {
  const { sandboxes, maxSandboxes, memoryMib, maxMemoryMib } = capacity;
  return `${sandboxes}/${maxSandboxes}, ${memoryMib}/${maxMemoryMib} MiB`;
}

function planText({ plan }: NodeView): string {
  return plan === null ? "none" : `${short(plan.pool, 40)} v${plan.version}`;
}

export function NodesPage({ nodes, classes, search }: PageOf<"nodes">) {
  const list = { action: "/nodes", noun: "node", search, listed: nodes } as const;
  return (
    <>
      <h1>{plural(nodes.all, "node")}</h1>
      <Tiles
        classes={classes}
        hrefOf={(name) => `/nodes?${new URLSearchParams({ q: name }).toString()}`}
        nameOf={(name) => <ClassLink name={name} />}
      />
      <Search {...list} />
      <Table
        caption="Nodes"
        rows={nodes.rows}
        columns={[
          { title: "Node", cell: ({ name }) => <NodeLink name={name} /> },
          { title: "State", cell: (node) => <State node={node} /> },
          { title: "Class", cell: (node) => <code>{short(node.class ?? "?", 48)}</code> },
          { title: "Pool", cell: ({ pool }) => short(pool ?? "", 40) },
          { title: "Plan", cell: planText },
          { title: "Sandboxes, memory", cell: roomText },
          { title: "Kernel", cell: ({ kernel }) => short(kernel ?? "?", 40) },
          { title: "Firecracker", cell: ({ firecracker }) => few(firecracker, 4) },
          { title: "Last seen", cell: ({ seen }) => <Time at={seen} /> },
        ]}
      />
      <Pager {...list} />
    </>
  );
}

const FACTS = ["class", "kernel", "microcode", "bios", "firecracker"] as const;

function factText(change: ChangeRow | undefined, fact: (typeof FACTS)[number]): string | undefined {
  const value = change?.[fact];
  if (value === null || value === undefined) return undefined;
  return typeof value === "string" ? value : value.join(", ");
}

/** Each change against the one before it; newest first, as the API has them. */
function timelineOf(node: string, history: readonly ChangeRow[]): TimelineEntry[] {
  return history.map((change, i) => {
    const before = history[i + 1];
    const { time, drift, reasons } = change;
    return {
      node,
      time,
      outcome: drift !== null && isDriftOutcome(drift) ? drift : undefined,
      facts: FACTS.map((fact) => ({
        fact,
        from: factText(before, fact),
        to: factText(change, fact),
      })).filter(({ from, to }) => from !== to),
      reasons,
    };
  });
}

export function NodePage({
  node,
  history,
}: {
  readonly node: NodeView;
  readonly history: readonly ChangeRow[];
}) {
  const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
  const facts: readonly (readonly [string, string])[] = [
    ["class", node.class ?? "?"],
    ["pool", node.pool ?? "none"],
    ["plan", planText(node)],
    ["labels", few(labels, 20)],
    ["sandboxes, memory", roomText(node)],
    ["kernel", node.kernel ?? "?"],
    ["microcode", node.microcode ?? "?"],
    ["Firecracker", few(node.firecracker, 12)],
    ["joined", node.joined],
    ["last seen", node.seen],
    ["certificate expires", node.certificateExpires],
  ];
  return (
    <>
      <h1>{short(node.name, 80)}</h1>
      <p>
        <State node={node} /> {node.held} {node.planError}
      </p>
      <Table
        caption="Facts about the node"
        rows={facts}
        columns={[
          { title: "Fact", cell: ([fact]) => fact },
          { title: "Value", cell: ([, value]) => short(value, 200) },
        ]}
      />
      <Section id="drift" title="What changed, newest first">
        <Timeline entries={timelineOf(node.name, history)} />
      </Section>
    </>
  );
}
