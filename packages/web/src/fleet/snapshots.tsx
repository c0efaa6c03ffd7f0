/** Snapshots, and one with the nodes that can resume it, or why none can. */
import type { Placement, SnapshotDetail as Detail } from "@evenkeel/api";
import { Badge, Section, Table } from "../pictures/parts.tsx";
import { byRule } from "../view/matrix.ts";
import { few, plural, short } from "../view/text.ts";
import type { PageOf } from "./data.ts";
import { ClassLink, NodeLink, Resumable, SandboxLink, SnapshotLink, Time } from "./parts.tsx";
import { Pager, Search } from "./search.tsx";

/** Rules of a cell. */
const MOST_RULES = 4;

function sizeText(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

export function SnapshotsPage({ snapshots, search }: PageOf<"snapshots">) {
  const list = { action: "/snapshots", noun: "snapshot", search, listed: snapshots } as const;
  return (
    <>
      <h1>{plural(snapshots.all, "snapshot")}</h1>
      <p class="hint">
        Show those that are <a href="/snapshots?q=stranded">stranded</a>, or can resume on{" "}
        <a href="/snapshots?q=one-node">one node</a> or{" "}
        <a href="/snapshots?q=one-class">one class</a> only.
      </p>
      <Search {...list} />
      <Table
        caption="Snapshots"
        rows={snapshots.rows}
        columns={[
          { title: "Snapshot", cell: (row) => <SnapshotLink {...row} /> },
          { title: "Kind", cell: ({ kind }) => kind },
          { title: "Can resume on", cell: ({ resumable }) => <Resumable count={resumable} /> },
          { title: "Files on", cell: ({ nodes }) => few(nodes) },
          { title: "Memory", cell: ({ memoryMib }) => `${memoryMib} MiB`, numeric: true },
          { title: "Size", cell: ({ bytes }) => sizeText(bytes), numeric: true },
          { title: "Contract", cell: ({ contract }) => <code>{contract.slice(0, 12)}</code> },
          { title: "Created", cell: ({ created }) => <Time at={created} /> },
        ]}
      />
      <Pager {...list} />
    </>
  );
}

function Refused({ placement }: { readonly placement: Placement }) {
  const { filters, obstacles, waysOut } = placement;
  return (
    <>
      <Section id="why" title="Why not">
        <Table
          caption="What took nodes out"
          rows={filters}
          columns={[
            { title: "Filter", cell: ({ filter }) => filter },
            { title: "Nodes", cell: ({ nodes }) => nodes, numeric: true },
          ]}
        />
        <Table
          caption="What the verdict found"
          rows={obstacles}
          columns={[
            { title: "Verdict", cell: ({ verdict }) => verdict },
            { title: "Rule", cell: ({ rule }) => rule },
            { title: "Feature", cell: ({ name }) => <code>{short(name, 40)}</code> },
            { title: "Address", cell: ({ address }) => <code>{short(address, 60)}</code> },
            { title: "Nodes", cell: ({ nodes }) => nodes, numeric: true },
          ]}
        />
      </Section>
      <Section id="ways-out" title="Ways out">
        <ul class="todo">
          {waysOut.map((way) => (
            <li key={way}>{way}</li>
          ))}
        </ul>
      </Section>
    </>
  );
}

function Found({ findings }: Pick<Detail["verdicts"][number], "findings">) {
  const rules = byRule(findings);
  return (
    <ul class="findings">
      {rules.slice(0, MOST_RULES).map(({ rule, names, consequences }) => (
        <li key={rule}>
          {few(names, 6)}: {short(consequences[0] ?? "", 200)}
        </li>
      ))}
      {rules.length > MOST_RULES && <li>{plural(rules.length - MOST_RULES, "more rule")}</li>}
    </ul>
  );
}

function Verdicts({ verdicts }: Pick<Detail, "verdicts">) {
  return (
    <Section id="verdicts" title="Where it can resume">
      <Table
        caption="Verdicts by class"
        rows={verdicts}
        columns={[
          { title: "Class", cell: (row) => <ClassLink name={row.class} /> },
          { title: "Kernel", cell: ({ kernel }) => short(kernel ?? "?", 40) },
          { title: "Nodes", cell: ({ nodes }) => nodes, numeric: true },
          { title: "Verdict", cell: ({ verdict }) => <Badge verdict={verdict} /> },
          { title: "Why", cell: ({ findings }) => <Found findings={findings} /> },
        ]}
      />
    </Section>
  );
}

function Relatives({
  title,
  list,
}: {
  readonly title: string;
  readonly list: Detail["ancestors"];
}) {
  return (
    <p>
      {title}:{" "}
      {list.length === 0
        ? "none"
        : list.map(({ digest, name }, i) => (
            <span key={digest}>
              {i > 0 && ", "}
              {name === null ? (
                <>
                  <code>{digest.slice(0, 12)}</code> (held nowhere)
                </>
              ) : (
                <SnapshotLink digest={digest} name={name} />
              )}
            </span>
          ))}
    </p>
  );
}

function Lineage({ detail }: { readonly detail: Detail }) {
  const { ancestors, children, sandboxes } = detail;
  return (
    <Section id="lineage" title="Lineage">
      <Relatives title="Comes from" list={ancestors} />
      <Relatives title="Snapshots that came from it" list={children} />
      <p>
        Sandboxes that came from it:{" "}
        {sandboxes.length === 0
          ? "none"
          : sandboxes.map((id, i) => (
              <span key={id}>
                {i > 0 && ", "}
                <SandboxLink id={id} />
              </span>
            ))}
      </p>
    </Section>
  );
}

function Overrides({ overrides }: Pick<Detail, "overrides">) {
  return (
    <Section id="overrides" title="Overrides">
      {overrides.length === 0 ? (
        <p>Nobody went against a verdict with it.</p>
      ) : (
        <Table
          caption="Who went against a verdict"
          rows={overrides}
          columns={[
            { title: "When", cell: ({ time }) => <Time at={time} /> },
            { title: "Who", cell: ({ actor }) => short(actor, 60) },
            { title: "Sandbox", cell: ({ subject }) => <SandboxLink id={subject} /> },
            { title: "On", cell: ({ node }) => <NodeLink name={node} /> },
            { title: "Accepting", cell: ({ accept }) => short(accept, 20) },
            { title: "Because", cell: ({ reason }) => short(reason, 300) },
          ]}
        />
      )}
    </Section>
  );
}

function Eligible({ placement }: { readonly placement: Placement }) {
  if (placement.nodes.length === 0) return null;
  return (
    <Table
      caption="Nodes that can take it, best first"
      rows={placement.nodes}
      columns={[
        { title: "Node", cell: ({ name }) => <NodeLink name={name} /> },
        { title: "Class", cell: (node) => <code>{short(node.class ?? "?", 48)}</code> },
        { title: "Has the files", cell: ({ holdsFiles }) => (holdsFiles ? "yes" : "no") },
        { title: "Free sandboxes", cell: (node) => node.freeSandboxes, numeric: true },
        { title: "Free memory", cell: (node) => `${node.freeMemoryMib} MiB`, numeric: true },
      ]}
    />
  );
}

export function SnapshotPage({ snapshot, placement, detail }: PageOf<"snapshot">) {
  const { name, digest, kind, contract, nodes } = snapshot;
  const { eligible, considered } = placement;
  return (
    <>
      <h1>{short(name, 80)}</h1>
      <p>
        {kind} <code>{digest}</code>, contract <code>{contract}</code>. Its files are on{" "}
        {few(nodes)}.
      </p>
      <p>
        <Resumable count={eligible} /> of {considered} can take it now.
      </p>
      <Eligible placement={placement} />
      {eligible === 0 && <Refused placement={placement} />}
      <Verdicts verdicts={detail.verdicts} />
      <Lineage detail={detail} />
      <Overrides overrides={detail.overrides} />
    </>
  );
}
