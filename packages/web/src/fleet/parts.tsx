/** Pieces that several pages of a fleet have. */
import { Table } from "../pictures/parts.tsx";
import { few, plural, short } from "../view/text.ts";
import type { AuditRow } from "./data.ts";

export function NodeLink({ name }: { readonly name: string }) {
  return <a href={`/nodes/${encodeURIComponent(name)}`}>{short(name, 60)}</a>;
}

export function SnapshotLink({ digest, name }: { readonly digest: string; readonly name: string }) {
  return <a href={`/snapshots/${encodeURIComponent(digest)}`}>{short(name, 60)}</a>;
}

export function SandboxLink({ id }: { readonly id: string }) {
  return (
    <a href={`/sandboxes/${encodeURIComponent(id)}`}>
      <code>{short(id, 40)}</code>
    </a>
  );
}

/** The nodes of a class. */
export function ClassLink({ name }: { readonly name: string }) {
  return (
    <a href={`/nodes?${new URLSearchParams({ q: name }).toString()}`}>
      <code>{short(name, 48)}</code>
    </a>
  );
}

/** How many nodes can resume something, as a sign and words. */
export function Resumable({ count }: { readonly count: number }) {
  const [sign, tone] =
    count === 0 ? ["✕", "incompatible"] : count === 1 ? ["!", "insecure"] : ["✓", "compatible"];
  return (
    <span class={`badge ${tone}`}>
      <span aria-hidden="true">{sign}</span> {plural(count, "node")}
    </span>
  );
}

export function Time({ at }: { readonly at: string }) {
  return <time dateTime={at}>{at.replace("T", " ").replace(/(?:\.\d+)?Z$/, " UTC")}</time>;
}

/** The page of whom an entry is about, where there is one. */
function Subject({ action, subject }: AuditRow) {
  const [kind] = action.split(".");
  if (subject === "") return null;
  if (kind === "node" && action !== "node.deleted") return <NodeLink name={subject} />;
  if (kind === "sandbox") return <SandboxLink id={subject} />;
  if (kind === "pool" || kind === "plan" || kind === "rollout") {
    return <a href={`/pools/${encodeURIComponent(subject)}`}>{short(subject, 60)}</a>;
  }
  return <>{short(subject, 60)}</>;
}

/** What an entry says beyond who and what; members are few, texts may be long. */
function detailText({ data }: AuditRow): string {
  const pairs = Object.entries(data).map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `${key} ${short(text, 60)}`;
  });
  return few(pairs, 5);
}

export function Events({
  caption,
  events,
}: {
  readonly caption: string;
  readonly events: readonly AuditRow[];
}) {
  if (events.length === 0) return <p>Nothing is in the log.</p>;
  return (
    <Table
      caption={caption}
      rows={events}
      columns={[
        { title: "When", cell: ({ time }) => <Time at={time} /> },
        { title: "Who", cell: ({ actor }) => short(actor, 60) },
        { title: "What", cell: ({ action }) => short(action, 60) },
        { title: "Of", cell: (row) => <Subject {...row} /> },
        { title: "Details", cell: detailText },
      ]}
    />
  );
}
