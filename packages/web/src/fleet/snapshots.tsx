/** Snapshots, and one with the nodes that can resume it, or why none can. */
import type { Placement } from "@evenkeel/api";
import { Section, Table } from "../pictures/parts.tsx";
import { few, plural, short } from "../view/text.ts";
import type { SnapshotRow } from "./data.ts";
import { find, Search } from "./search.tsx";

function Resumable({ count }: { readonly count: number }) {
  const [sign, tone] =
    count === 0 ? ["✕", "incompatible"] : count === 1 ? ["!", "insecure"] : ["✓", "compatible"];
  return (
    <span class={`badge ${tone}`}>
      <span aria-hidden="true">{sign}</span> {plural(count, "node")}
    </span>
  );
}

function sizeText(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

/** What a search looks into. */
function textOf({ name, digest, kind, contract, nodes, resumable }: SnapshotRow): string {
  const stranded = resumable === 0 ? "stranded" : "";
  return [name, digest, kind, contract, stranded, ...nodes].join(" ");
}

export function SnapshotsPage({
  snapshots,
  search,
}: {
  readonly snapshots: readonly SnapshotRow[];
  readonly search: string;
}) {
  const found = find(snapshots, search, textOf);
  return (
    <>
      <h1>{plural(snapshots.length, "snapshot")}</h1>
      <Search action="/snapshots" noun="snapshot" search={search} found={found} />
      <Table
        caption="Snapshots"
        rows={found.rows}
        columns={[
          {
            title: "Snapshot",
            cell: ({ name, digest }) => <a href={`/snapshots/${digest}`}>{short(name, 60)}</a>,
          },
          { title: "Kind", cell: ({ kind }) => kind },
          { title: "Can resume on", cell: ({ resumable }) => <Resumable count={resumable} /> },
          { title: "Files on", cell: ({ nodes }) => few(nodes) },
          { title: "Memory", cell: ({ memoryMib }) => `${memoryMib} MiB`, numeric: true },
          { title: "Size", cell: ({ bytes }) => sizeText(bytes), numeric: true },
          { title: "Contract", cell: ({ contract }) => <code>{contract.slice(0, 12)}</code> },
          { title: "Created", cell: ({ created }) => <time dateTime={created}>{created}</time> },
        ]}
      />
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

export function SnapshotPage({
  snapshot,
  placement,
}: {
  readonly snapshot: SnapshotRow;
  readonly placement: Placement;
}) {
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
      {placement.nodes.length > 0 && (
        <Table
          caption="Nodes that can take it, best first"
          rows={placement.nodes}
          columns={[
            {
              title: "Node",
              cell: (node) => (
                <a href={`/nodes/${encodeURIComponent(node.name)}`}>{short(node.name, 60)}</a>
              ),
            },
            { title: "Class", cell: (node) => <code>{short(node.class ?? "?", 48)}</code> },
            { title: "Has the files", cell: ({ holdsFiles }) => (holdsFiles ? "yes" : "no") },
            { title: "Free sandboxes", cell: (node) => node.freeSandboxes, numeric: true },
            { title: "Free memory", cell: (node) => `${node.freeMemoryMib} MiB`, numeric: true },
          ]}
        />
      )}
      {eligible === 0 && <Refused placement={placement} />}
    </>
  );
}
