/** Each picture of a report as an SVG file. */
import { labCell, movesOf, poolTitle } from "../pictures/lab.tsx";
import { CELL_SIGNS, CELL_WORDS } from "../pictures/guest-cpu.tsx";
import { TreeDrawing, treeSize } from "../pictures/merge-tree.tsx";
import type { ReportPart } from "../view/report.ts";
import type { LabDocument, PlanDocument } from "../read/schemas.ts";
import { featureRows, type CellState } from "../view/guest-cpu.ts";
import { grid, type MatrixView } from "../view/matrix.ts";
import { layOutTree, type Joint } from "../view/merge-tree.ts";
import { short } from "../view/text.ts";
import { svgText } from "./frame.tsx";
import { gridSvg } from "./grid.tsx";

export interface Picture {
  /** `compatibility.svg` */
  readonly file: string;
  readonly svg: string;
}

function matrixSvg(how: string, view: MatrixView): string {
  return gridSvg({
    title: `${how}: can a snapshot from the row resume on the column?`,
    names: view.classes.map(({ label }) => label),
    cells: grid(view).map((row) =>
      row.map((move) => {
        const verdict = move?.verdict ?? "unknown";
        return { verdict, word: verdict };
      }),
    ),
  });
}

function treeSvg(classes: readonly string[], tree: readonly Joint[]): string {
  const layout = layOutTree(classes, tree);
  return svgText({
    title: "Merge tree: which classes belong together, and what each joint costs",
    ...treeSize(layout),
    children: <TreeDrawing layout={layout} />,
  });
}

const ROW = 22;
const HEAD = 60;
const NAMES = 230;

/** Only what costs something: what is kept is the same on every class. */
function guestCpuSvg(plan: PlanDocument): string {
  const rows = featureRows(plan).filter(({ kind }) => kind !== "kept");
  const { classes } = plan;
  const column = classes.length <= 8 ? 150 : 44;
  const height = HEAD + rows.length * ROW + 36;
  const signs: readonly CellState[] = ["given-up", "lacking", "added", "set"];
  return svgText({
    title: "Guest CPU: features given up and bits set everywhere, by class",
    width: Math.max(NAMES + classes.length * column + 300, 760),
    height,
    children: (
      <>
        {classes.map(({ id }, i) => (
          <text
            key={id}
            class="soft"
            x={NAMES + (i + 0.5) * column}
            y={i % 2 === 0 ? 24 : 42}
            text-anchor="middle"
          >
            {short(id, 24)}
          </text>
        ))}
        {rows.map(({ name, kind, reason, cells }, y) => (
          <g key={kind + name} transform={`translate(0 ${HEAD + y * ROW})`}>
            <text class="mono" x={12} y={14}>
              {short(name, 26)}
            </text>
            {cells.map((state, i) => (
              <text key={i} class={`state ${state}`} x={NAMES + (i + 0.5) * column} y={14}>
                {CELL_SIGNS[state]}
              </text>
            ))}
            <text class="soft" x={NAMES + classes.length * column + 12} y={14}>
              {short(reason, 60)}
            </text>
          </g>
        ))}
        <text class="soft" x={12} y={height - 12}>
          {signs
            .map((state) => `${CELL_SIGNS[state]} ${CELL_WORDS[state].split(":")[0]}`)
            .join("   ")}
        </text>
      </>
    ),
  });
}

function labSvgs({ nodes, grids }: LabDocument): Picture[] {
  const names = nodes.map(({ name }) => name);
  return grids.map((one, i) => ({
    file: `lab-${i + 1}.svg`,
    svg: gridSvg({
      title: `${poolTitle(one.pool)}: what became of guests`,
      names,
      cells: names.map((from) =>
        names.map((to) => {
          const cell = labCell(movesOf(one, from, to));
          if (cell === undefined) return undefined;
          return { verdict: cell.lives ? "compatible" : "incompatible", word: cell.text };
        }),
      ),
    }),
  }));
}

type Draw<K extends ReportPart["kind"]> = (
  part: Extract<ReportPart, { readonly kind: K }>,
) => readonly Picture[];

const treePictures = (tree: readonly Joint[]): Picture[] =>
  tree.length === 0 ? [] : [{ file: "pool.svg", svg: treeSvg([], tree) }];
const planPicture = (plan: PlanDocument): Picture => ({
  file: "guest-cpu.svg",
  svg: guestCpuSvg(plan),
});
const mapPicture = (file: string, how: string, view: MatrixView | undefined): Picture[] =>
  view === undefined ? [] : [{ file, svg: matrixSvg(how, view) }];

const DRAWN: { readonly [K in ReportPart["kind"]]: Draw<K> } = {
  pool: ({ before, after, plans, tree }) => [
    ...mapPicture("compatibility.svg", "Without a template", before),
    ...mapPicture("compatibility-planned.svg", "With the plan", after),
    ...treePictures(tree),
    ...plans.map(planPicture),
  ],
  matrix: ({ how, view }) => mapPicture("compatibility.svg", how, view),
  plan: ({ data }) => [planPicture(data)],
  pools: ({ data: { pools, tree } }) => [...treePictures(tree), ...pools.map(planPicture)],
  lab: ({ data }) => labSvgs(data),
  // Sentences and tables, no pictures.
  drift: () => [],
  verify: () => [],
  scan: () => [],
};

/** Names are unique: the second of a kind gets a number. */
export function reportPictures(parts: readonly ReportPart[]): Picture[] {
  const counts = new Map<string, number>();
  const drawn = parts.flatMap((part) => DRAWN[part.kind](part as never));
  return drawn.map(({ file, svg }) => {
    const count = (counts.get(file) ?? 0) + 1;
    counts.set(file, count);
    return { file: count === 1 ? file : file.replace(/\.svg$/, `-${count}.svg`), svg };
  });
}
