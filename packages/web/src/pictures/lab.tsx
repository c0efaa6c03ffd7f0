/** Results of the lab: what happened to guests that moved, beside what had been predicted. */
import type { LabDocument } from "../read/schemas.ts";
import { few, plural, short } from "../view/text.ts";
import { Badge, Scroll, Table, Twin } from "./parts.tsx";

type Grid = LabDocument["grids"][number];
type Pair = Grid["pairs"][number];

export function poolTitle(pool: string): string {
  if (pool === "none") return "Without a plan";
  return pool === "plan" ? "With the plan" : `With ${short(pool, 40)}`;
}

export interface LabCell {
  readonly lives: boolean;
  readonly text: string;
}

/** All rounds of one move: the worst of them counts. Undefined: there was none. */
export function labCell(pairs: readonly Pair[]): LabCell | undefined {
  if (pairs.length === 0) return undefined;
  const first = pairs.find(({ outcome }) => outcome.kind !== "survived");
  if (first === undefined) return { lives: true, text: "lives" };
  const { features = [], kind } = first.outcome;
  return { lives: false, text: `dies: ${short(features[0] ?? kind.replaceAll("-", " "), 24)}` };
}

export function movesOf({ pairs }: Grid, from: string, to: string): Pair[] {
  return pairs.filter((pair) => pair.from === from && pair.to === to);
}

function Cell({ pairs }: { readonly pairs: readonly Pair[] }) {
  const cell = labCell(pairs);
  if (cell === undefined) return <td class="cell none">·</td>;
  const [sign, verdict] = cell.lives ? ["✓", "compatible"] : ["✕", "incompatible"];
  return (
    <td class={`cell ${verdict}`}>
      <span>
        <span aria-hidden="true">{sign}</span> {cell.text}
      </span>
    </td>
  );
}

function Outcomes({ grid, nodes }: { readonly grid: Grid; readonly nodes: readonly string[] }) {
  const survived = grid.pairs.filter(({ outcome }) => outcome.kind === "survived").length;
  const title = poolTitle(grid.pool);
  return (
    <figure class="heat">
      <figcaption>
        <b>{title}</b> {survived} of {plural(grid.pairs.length, "move")} survive.
      </figcaption>
      <Scroll label={`${title}: node by node`}>
        <table class="grid words">
          <thead>
            <tr>
              <th class="corner">from ↓ to →</th>
              {nodes.map((name) => (
                <th key={name} scope="col">
                  {short(name, 32)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {nodes.map((from) => (
              <tr key={from}>
                <th scope="row">{short(from, 32)}</th>
                {nodes.map((to) => (
                  <Cell key={to} pairs={movesOf(grid, from, to)} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {grid.refusals.map(({ message }) => (
        <p key={message}>No plan: {message}.</p>
      ))}
      <Twin title={`${title}: every move, with what had been predicted`}>
        <Moves grid={grid} />
      </Twin>
    </figure>
  );
}

function outcomeText({ outcome }: Pair): string {
  const { kind, ticks, instruction, message = "", features = [] } = outcome;
  if (kind === "survived") return `lives (${plural(ticks, "tick")})`;
  const what = instruction === undefined ? message : short(instruction, 60);
  const needs = features.length === 0 ? "" : `, needs ${few(features)}`;
  return `${kind.replaceAll("-", " ")}: ${what}${needs}`;
}

function Moves({ grid }: { readonly grid: Grid }) {
  return (
    <Table
      caption="Every move"
      rows={grid.pairs}
      columns={[
        { title: "From", cell: ({ from }) => short(from, 40) },
        { title: "To", cell: ({ to }) => short(to, 40) },
        { title: "Round", cell: ({ round }) => round, numeric: true },
        { title: "Predicted", cell: ({ verdict }) => <Badge verdict={verdict} /> },
        { title: "Happened", cell: outcomeText },
        {
          title: "Prediction",
          cell: ({ assessment: { right, why } }) => `${right ? "right" : "WRONG"} ${why}`,
        },
      ]}
    />
  );
}

export function Lab({ lab }: { readonly lab: LabDocument }) {
  const { nodes, grids, qemu, kernel, guest, seconds, asPredicted } = lab;
  return (
    <>
      <p>
        QEMU {short(qemu, 40)}, emulation; Linux {short(kernel, 60)}; guest: {short(guest, 60)};{" "}
        {Math.round(seconds)} s.{" "}
        {asPredicted ? "Every prediction was right." : "A prediction was WRONG."}
      </p>
      <div class="columns">
        {grids.map((grid, i) => (
          <Outcomes key={i} grid={grid} nodes={nodes.map(({ name }) => name)} />
        ))}
      </div>
    </>
  );
}
