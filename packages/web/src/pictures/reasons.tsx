/** Why snapshots do not move: each rule once, or once per move where there are few. */
import type { FindingRow as Finding } from "../read/schemas.ts";
import { adviceOf, titleOf } from "../view/advice.ts";
import { deadlyFirst, type MatrixView } from "../view/matrix.ts";
import { few, short } from "../view/text.ts";
import { classNamer } from "./heat-map.tsx";
import { Features } from "./parts.tsx";

interface Ruled {
  readonly severity: Exclude<Finding["severity"], "note">;
  readonly rule: string;
  readonly names: Set<string>;
  readonly consequences: Set<string>;
  readonly moves: Map<string, Set<string>>;
}

const WORST_FIRST: readonly Finding["severity"][] = ["incompatible", "insecure", "unknown"];

/** Up to here each move has reasons of its own. */
const FEW_CLASSES = 3;

function ruled({ moves, classes }: MatrixView): Ruled[] {
  const found = new Map<string, Ruled>();
  for (const { from, to, findings = [] } of moves) {
    const which = classes.length <= FEW_CLASSES ? JSON.stringify([from, to]) : "";
    for (const { rule, severity, name, consequence } of findings) {
      if (severity === "note") continue;
      const key = `${severity} ${rule} ${which}`;
      const known: Ruled = found.get(key) ?? {
        severity,
        rule,
        names: new Set(),
        consequences: new Set(),
        moves: new Map(),
      };
      found.set(key, known);
      known.names.add(name);
      known.consequences.add(consequence);
      known.moves.set(from, (known.moves.get(from) ?? new Set<string>()).add(to));
    }
  }
  return [...found.values()].toSorted(
    (a, b) =>
      WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity) ||
      Number(b.rule === "feature") - Number(a.rule === "feature") ||
      b.names.size - a.names.size,
  );
}

/** The worst in full; the others are counted. */
function consequenceText({ consequences }: Ruled): string {
  const [first = "", ...others] = deadlyFirst(consequences);
  return others.length === 0 ? first : `${first} (and ${others.length} more)`;
}

const SIGN = { incompatible: "✕", insecure: "!", unknown: "?" } as const;
const SHOWN_MOVES = 6;

function Moves({ moves, view }: Pick<Ruled, "moves"> & { readonly view: MatrixView }) {
  const nameOf = classNamer(view);
  const all = [...moves];
  const more = all.length - SHOWN_MOVES;
  return (
    <ul class="moves">
      {all.slice(0, SHOWN_MOVES).map(([from, to]) => (
        <li key={from}>
          {nameOf(from)} → {few([...to].map(nameOf), 5)}
        </li>
      ))}
      {more > 0 && <li>and from {more} more</li>}
    </ul>
  );
}

function Reason({ reason, view }: { readonly reason: Ruled; readonly view: MatrixView }) {
  const { severity, rule, names, moves } = reason;
  return (
    <li class={severity}>
      <h4>
        <span class={`badge ${severity}`}>
          <span aria-hidden="true">{SIGN[severity]}</span> {severity}
        </span>{" "}
        {short(titleOf(rule), 60)}
      </h4>
      <Moves moves={moves} view={view} />
      <p>{consequenceText(reason)}</p>
      <Features names={[...names]} most={14} />
    </li>
  );
}

/** Each rule with what it stands against; nothing where every move is compatible. */
export function Why({ view, title }: { readonly view: MatrixView; readonly title: string }) {
  const reasons = ruled(view);
  if (reasons.length === 0) return null;
  return (
    <div class="reasons">
      <h3>{title}</h3>
      <ol>
        {reasons.map((reason, i) => (
          <Reason key={i} reason={reason} view={view} />
        ))}
      </ol>
    </div>
  );
}

export interface ReasonsProps {
  readonly view: MatrixView;
  /** What else to do, or what was done: first of all. */
  readonly next?: string | undefined;
}

/** What to do comes first: the reasons are there to be looked up. */
export function Reasons({ view, next }: ReasonsProps) {
  const reasons = ruled(view);
  if (reasons.length === 0) return null;
  return (
    <>
      <h3>What to do</h3>
      <ul class="todo">
        {next !== undefined && <li>{next}</li>}
        {adviceOf(reasons).map((advice) => (
          <li key={advice}>{advice}</li>
        ))}
        <li>
          Snapshots that exist keep the CPU they were taken with; a plan does not change them.
          Resume them only where they are compatible without it.
        </li>
      </ul>
      <Why view={view} title="Why moves fail" />
    </>
  );
}
