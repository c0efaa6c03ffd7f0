/** Class × class: can a snapshot from the row resume on the column? The picture is a table itself. */
import { adviceOf, titleOf } from "../view/advice.ts";
import {
  byRule,
  countMoves,
  countVerdicts,
  grid,
  nodesIn,
  rowsOf,
  type MatrixClass,
  type MatrixView,
  type Move,
} from "../view/matrix.ts";
import { few, plural, short } from "../view/text.ts";
import { SIGNS } from "../view/verdicts.ts";
import { Badge, Features, Scroll } from "./parts.tsx";

export interface HeatMapProps {
  /** Unique on the page: links to cells start with it. */
  readonly id: string;
  readonly title: string;
  readonly view: MatrixView;
  /**
   * Of a page that can be asked for again: where it has the findings of a cell, such as `3-7`, and of
   * which cell it is asked to have them now. Then many findings are not all in the page.
   */
  readonly onePerPage?: {
    readonly cell: string;
    readonly hrefOf: (cell: string) => string;
  };
}

/** Cells whose findings are in one page; a page with more of them is slow to open. */
const MOST_DETAILS = 200;
/** Up to here a cell has room for the word beside the sign. */
const WORDS = 5;
/** Notes of moves that are allowed are listed up to here. */
const NOTES = 12;

/** Names classes by model where each model is there once, else by label. */
export function classNamer(view: MatrixView): (label: string) => string {
  const classes = [...view.classes, ...(view.from ?? [])];
  const models = new Map(classes.map(({ label, model }) => [label, model]));
  const times = (model: string) => classes.filter((other) => other.model === model).length;
  return (label) => {
    const model = models.get(label);
    return short(model !== undefined && times(model) === 1 ? model : label, 40);
  };
}

function rowWord(class_: MatrixClass): string {
  const { model, label } = class_;
  return model === undefined ? short(label, 40) : `${short(model, 40)} (${short(label, 40)})`;
}

function Head({ class_, number }: { readonly class_: MatrixClass; readonly number: number }) {
  const { label, model, nodes } = class_;
  return (
    <span class="head" title={`${short(label, 120)}: ${few(nodes, 8)}`}>
      <span class="ordinal">{number}</span>
      <span class="what">
        {model !== undefined && <b>{short(model, 40)}</b>} <code>{short(label, 40)}</code>
      </span>
    </span>
  );
}

interface CellProps {
  readonly move: Move | undefined;
  readonly from: MatrixClass;
  readonly to: MatrixClass;
  readonly target: string;
  readonly words: boolean;
}

function hasDetail({ findings, verdict }: Move, classes: number): boolean {
  if (findings === undefined) return false;
  return verdict !== "compatible" || (classes <= NOTES && findings.length > 0);
}

function Cell({ move, from, to, target, words }: CellProps) {
  const verdict = move?.verdict ?? "unknown";
  const text = words ? (
    <>
      <span aria-hidden="true">{SIGNS[verdict]}</span> {verdict}
    </>
  ) : (
    SIGNS[verdict]
  );
  const label = `${rowWord(from)} to ${rowWord(to)}: ${verdict}`;
  if (target === "") {
    return (
      <td class={`cell ${verdict}`}>
        <span aria-hidden={!words}>{text}</span>
        {!words && <span class="unseen">{verdict}</span>}
      </td>
    );
  }
  return (
    <td class={`cell ${verdict}`}>
      <a href={target} aria-label={label}>
        {text}
      </a>
    </td>
  );
}

function Detail({
  id,
  back,
  move,
  from,
  to,
}: {
  readonly id: string;
  readonly back: string;
  readonly move: Move;
  readonly from: MatrixClass;
  readonly to: MatrixClass;
}) {
  const { findings = [], verdict } = move;
  const against = findings.filter(({ severity }) => severity !== "note");
  return (
    <section id={id} class="detail" tabIndex={-1} aria-labelledby={`${id}-title`}>
      <h4 id={`${id}-title`}>
        {rowWord(from)} → {rowWord(to)} <Badge verdict={verdict} />
      </h4>
      <ul class="findings">
        {byRule(findings).map(({ rule, severity, names, consequences }) => (
          <li key={`${severity}${rule}`} class={severity}>
            <p>
              <b>{severity}</b> <span class="rule">{short(titleOf(rule), 60)}:</span>{" "}
              {consequences[0]}
              {consequences.length > 1 && ` (and ${consequences.length - 1} more)`}
            </p>
            <Features names={names} />
          </li>
        ))}
      </ul>
      {against.length > 0 && (
        <p class="advice">
          <b>What to do:</b> {adviceOf(against).join(" ")}
        </p>
      )}
      <p>
        <a href={`#${back}`}>Close</a>
      </p>
    </section>
  );
}

function sentence(view: MatrixView): string {
  const { compatible } = countVerdicts(view);
  const all = plural(countMoves(view), "move");
  return `${compatible} of ${all} compatible, ${plural(nodesIn(view), "node")}.`;
}

interface RowsProps {
  readonly view: MatrixView;
  readonly hrefOf: (cell: string) => string;
}

function Rows({ view, hrefOf }: RowsProps) {
  const { classes } = view;
  const rows = grid(view);
  return (
    <tbody>
      {rowsOf(view).map((from, i) => (
        <tr key={from.label}>
          <th scope="row">
            <Head class_={from} number={i + 1} />
          </th>
          {classes.map((to, j) => {
            const move = rows[i]?.[j];
            const open = move !== undefined && hasDetail(move, classes.length);
            const target = open ? hrefOf(`${i + 1}-${j + 1}`) : "";
            const words = classes.length <= WORDS;
            return <Cell key={to.label} {...{ move, from, to, target, words }} />;
          })}
        </tr>
      ))}
    </tbody>
  );
}

export function HeatMap({ id, title, view, onePerPage }: HeatMapProps) {
  const { classes } = view;
  const rows = grid(view);
  const all = rows.flatMap((row, i) =>
    row.flatMap((move, j) => {
      const [from, to] = [rowsOf(view)[i], classes[j]];
      if (from === undefined || to === undefined || move === undefined) return [];
      if (!hasDetail(move, classes.length)) return [];
      return [{ cell: `${i + 1}-${j + 1}`, move, from, to }];
    }),
  );
  const one = all.length > MOST_DETAILS ? onePerPage : undefined;
  const details = all.filter(({ cell }) => one === undefined || cell === one.cell);
  const hrefOf = (cell: string) => `${one?.hrefOf(cell) ?? ""}#${id}-${cell}`;
  return (
    <figure id={id} class="heat" aria-labelledby={`${id}-caption`} tabIndex={-1}>
      <figcaption id={`${id}-caption`}>
        <b>{title}</b> {sentence(view)}
      </figcaption>
      <Scroll label={`${title}: class by class`}>
        <table class={classes.length <= WORDS ? "grid words" : "grid signs"}>
          <thead>
            <tr>
              <th class="corner">
                <span class="from">from ↓</span> <span class="to">to →</span>
              </th>
              {classes.map((class_, i) => (
                <th key={class_.label} scope="col">
                  <Head class_={class_} number={i + 1} />
                </th>
              ))}
            </tr>
          </thead>
          <Rows view={view} hrefOf={hrefOf} />
        </table>
      </Scroll>
      {all.length > 0 && <p class="hint">Open a cell to read its findings.</p>}
      <div class="details">
        {details.map(({ cell, ...detail }) => (
          <Detail key={cell} id={`${id}-${cell}`} back={id} {...detail} />
        ))}
      </div>
    </figure>
  );
}
