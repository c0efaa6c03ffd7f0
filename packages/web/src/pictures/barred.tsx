/** Moves that a plan's templates cannot allow, and what the operator accepted. */
import type { PlanDocument } from "../read/schemas.ts";
import { adviceFor } from "../view/advice.ts";
import { few, short } from "../view/text.ts";
import { Table } from "./parts.tsx";

type Moves = NonNullable<PlanDocument["moves"]>["barred"][number]["moves"];
const SHOWN_MOVES = 6;

function MoveList({ moves }: { readonly moves: Moves }) {
  const more = moves.length - SHOWN_MOVES;
  return (
    <ul class="moves">
      {moves.slice(0, SHOWN_MOVES).map(({ from, to }, i) => (
        <li key={i}>
          {few(from, 4)} → {few(to, 4)}
        </li>
      ))}
      {more > 0 && <li>and {more} more</li>}
    </ul>
  );
}

export function Barred({ plan }: { readonly plan: PlanDocument }) {
  const { barred = [], accepted } = plan.moves ?? {};
  const all = [
    ...barred.map((reason) => ({ ...reason, why: "no template can allow it" })),
    ...(accepted?.reasons ?? []).map((reason) => ({ ...reason, why: "accepted" })),
  ];
  if (all.length === 0) return null;
  const title = "Moves that stay closed, or were accepted";
  return (
    <>
      <h3>{title}</h3>
      <Table
        caption={title}
        rows={all}
        columns={[
          { title: "Severity", cell: ({ severity }) => severity },
          { title: "Rule", cell: ({ rule }) => short(rule, 40) },
          { title: "About", cell: ({ findings }) => few(findings.map(({ name }) => name)) },
          { title: "Moves", cell: ({ moves }) => <MoveList moves={moves} /> },
          { title: "Why", cell: ({ why }) => why },
          { title: "What to do", cell: ({ rule }) => adviceFor(rule) },
        ]}
      />
    </>
  );
}
