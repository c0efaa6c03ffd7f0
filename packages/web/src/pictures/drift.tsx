/** What changed on a node, when, and what it means for its guests. */
import type { DriftDocument } from "../read/schemas.ts";
import { plural, short } from "../view/text.ts";
import { Badge, Table } from "./parts.tsx";

type Outcome = DriftDocument["outcome"];

/** A sign, and whether someone has to act. */
const OUTCOMES: Readonly<Record<Outcome, { sign: string; tone: string; text: string }>> = {
  none: { sign: "✓", tone: "compatible", text: "Nothing that guests see changed." },
  "template-holds": {
    sign: "✓",
    tone: "compatible",
    text: "The node changed; its template still yields the plan's guest CPU.",
  },
  "new-template": {
    sign: "!",
    tone: "insecure",
    text: "The plan holds with a new template; the one in use does not.",
  },
  "plan-broken": {
    sign: "✕",
    tone: "incompatible",
    text: "No template yields the plan's guest CPU on this node any more.",
  },
  changed: { sign: "!", tone: "insecure", text: "Guests see another CPU." },
  unknown: { sign: "?", tone: "unknown", text: "The two profiles do not say." },
};

export function isDriftOutcome(text: string): text is Outcome {
  return Object.hasOwn(OUTCOMES, text);
}

export interface TimelineEntry {
  readonly node: string;
  /** ISO 8601; undefined: only the order is known. */
  readonly time?: string | undefined;
  /** Undefined where nothing was compared. */
  readonly outcome?: Outcome | undefined;
  readonly facts: readonly { fact: string; from?: string | undefined; to?: string | undefined }[];
  readonly reasons: readonly string[];
}

function Fact({ fact, from, to }: TimelineEntry["facts"][number]) {
  return (
    <li>
      {short(fact, 40)}: <code>{short(from ?? "not said", 60)}</code> →{" "}
      <code>{short(to ?? "not said", 60)}</code>
    </li>
  );
}

export function Timeline({ entries }: { readonly entries: readonly TimelineEntry[] }) {
  return (
    <ol class="timeline">
      {entries.map(({ node, time, outcome, facts, reasons }, i) => {
        const what = outcome === undefined ? undefined : OUTCOMES[outcome];
        return (
          <li key={i} class={what?.tone ?? "none"}>
            <h3>
              {what !== undefined && (
                <span class={`badge ${what.tone}`}>
                  <span aria-hidden="true">{what.sign}</span> {outcome}
                </span>
              )}{" "}
              {short(node, 60)} {time !== undefined && <time dateTime={time}>{time}</time>}
            </h3>
            {what !== undefined && <p>{what.text}</p>}
            <ul>
              {facts.map((fact) => (
                <Fact key={fact.fact} {...fact} />
              ))}
              {reasons.map((reason) => (
                <li key={reason}>{reason}</li>
              ))}
            </ul>
          </li>
        );
      })}
    </ol>
  );
}

function driftEntry({ node, outcome, changes, reasons, plan }: DriftDocument): TimelineEntry {
  const more = [
    ...(plan?.fatal ?? []).map((what) => `No microVM starts: ${what}`),
    ...(plan?.unreachable ?? []),
  ];
  return { node, outcome, facts: changes.facts, reasons: [...reasons, ...more] };
}

function Differences({ title, rows }: { title: string; rows: DriftDocument["changes"]["seen"] }) {
  if (rows.length === 0) return null;
  return (
    <>
      <h4>{title}</h4>
      <Table
        caption={title}
        rows={rows}
        columns={[
          { title: "Field", cell: ({ name }) => <code>{short(name, 40)}</code> },
          { title: "Address", cell: ({ address }) => <code>{short(address, 60)}</code> },
          { title: "Before", cell: ({ a }) => short(a ?? "absent", 40) },
          { title: "Now", cell: ({ b }) => short(b ?? "absent", 40) },
        ]}
      />
    </>
  );
}

export function Drifts({ drifts }: { readonly drifts: readonly DriftDocument[] }) {
  return (
    <>
      <Timeline entries={drifts.map(driftEntry)} />
      {drifts.map(({ node, changes, snapshots, plan }, i) => (
        <div key={i}>
          <h3>{short(node, 60)}</h3>
          <p>
            Snapshots taken here before the change: <Badge verdict={snapshots.verdict} />{" "}
            {plural(snapshots.findings.length, "finding")}.
          </p>
          <Differences title="What guests without a template see" rows={changes.seen} />
          <Differences title="Let through by the template in use" rows={plan?.leaks ?? []} />
          <Differences title="Promised by the plan, and gone" rows={plan?.lost ?? []} />
        </div>
      ))}
    </>
  );
}
