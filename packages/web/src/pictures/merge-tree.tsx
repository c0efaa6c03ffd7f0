/** The merge tree: which classes belong together, and what each joint costs. Left of the cut are the pools. */
import { layOutTree, type Joint, type PlacedJoint, type TreeLayout } from "../view/merge-tree.ts";
import { few, plural, short } from "../view/text.ts";
import { Features, Scroll, Table, Twin } from "./parts.tsx";

/** In SVG units, which are CSS pixels. */
const ROW = 34;
const STEP = 148;
const LABELS = 250;
const TOP = 30;

const yOf = (row: number) => TOP + (row + 0.5) * ROW;
/** A joint stands at the left of its column, so that its words end before the next cut. */
const xOf = (step: number) => (step === 0 ? LABELS : LABELS + (step - 1) * STEP + 22);
/** Behind the last joint that was made. */
const cutX = (cut: number) => LABELS + cut * STEP;

export interface MergeTreeProps {
  readonly classes: readonly string[];
  readonly tree: readonly Joint[];
  /** Where the page with so many pools is; left out in a file, which has no other pages. */
  readonly hrefOf?: (pools: number) => string;
}

function sizeOf({ leaves, joints }: TreeLayout) {
  return {
    width: LABELS + (joints.length + 1) * STEP,
    height: TOP + leaves.length * ROW + 12,
  };
}

function jointText({ joint: { cost } }: PlacedJoint): string {
  return cost === 0 ? "costs nothing" : `−${plural(cost, "feature")}`;
}

function JointLines({ placed }: { readonly placed: PlacedJoint }) {
  const { left, right, step, row, joint } = placed;
  const [x, y] = [xOf(step), yOf(row)];
  const path = [left, right]
    .map((from) => `M${xOf(from.step)} ${yOf(from.row)}H${x}V${y}`)
    .join("");
  return (
    <g class={joint.joined ? "joint joined" : "joint apart"}>
      <path d={path} fill="none" />
      <circle cx={x} cy={y} r={4} />
      <text x={x + 8} y={y - 5} class="cost">
        {jointText(placed)}
      </text>
      <text x={x + 8} y={y + 13} class="worst">
        ≤ {joint.worstLoss} per class
      </text>
    </g>
  );
}

/** Everything inside the `svg` element: also what is exported. */
export function TreeDrawing({ layout }: { readonly layout: TreeLayout }) {
  const { leaves, joints, cut, pools } = layout;
  const { height } = sizeOf(layout);
  return (
    <>
      {leaves.map((id, row) => (
        <g key={id} class="leaf" data-pools={pools.map((of) => (of[row] ?? 0) + 1).join(" ")}>
          <text x={4} y={yOf(row) + 4} class="pool">
            pool {(pools[cut]?.[row] ?? 0) + 1}
          </text>
          <text x={58} y={yOf(row) + 4} class="class">
            {short(id, 26)}
          </text>
          <path d={`M${LABELS - 8} ${yOf(row)}H${LABELS}`} />
        </g>
      ))}
      {joints.map((placed) => (
        <JointLines key={placed.step} placed={placed} />
      ))}
      <g class="cut" transform={`translate(${cutX(cut)} 0)`}>
        <path class="grip" d={`M0 ${TOP - 8}V${height}`} />
        <path d={`M0 ${TOP - 8}V${height}`} />
        <text x={6} y={TOP - 12}>
          cut: {plural(new Set(pools[cut]).size, "pool")}
        </text>
      </g>
    </>
  );
}

export function treeSize(layout: TreeLayout) {
  return sizeOf(layout);
}

function Joints({ tree }: Pick<MergeTreeProps, "tree">) {
  return (
    <Table
      caption="What each joint costs"
      rows={tree.map((joint, i) => ({ ...joint, number: i + 1 }))}
      columns={[
        { title: "Joint", cell: ({ number }) => number, numeric: true },
        { title: "Joined", cell: ({ joined }) => (joined ? "yes" : "no, apart") },
        { title: "One side", cell: ({ left }) => few(left, 4) },
        { title: "gives up", cell: ({ leftLoses }) => <Features names={leftLoses} most={6} /> },
        { title: "Other side", cell: ({ right }) => few(right, 4) },
        { title: "gives up", cell: ({ rightLoses }) => <Features names={rightLoses} most={6} /> },
        { title: "Features × nodes", cell: ({ cost }) => cost, numeric: true },
        { title: "Most per class", cell: ({ worstLoss }) => worstLoss, numeric: true },
      ]}
    />
  );
}

/** The cut as links: without JavaScript, and to be sent to somebody. */
function Cuts({
  cut,
  counts,
  hrefOf,
}: {
  cut: number;
  counts: readonly number[];
  hrefOf: (pools: number) => string;
}) {
  return (
    <nav class="cuts" aria-label="Where to cut">
      <span>Pools:</span>
      {counts.map((pools, at) => (
        <a key={at} href={hrefOf(pools)} aria-current={at === cut ? "true" : undefined}>
          {pools}
        </a>
      ))}
    </nav>
  );
}

export function MergeTree({ classes, tree, hrefOf }: MergeTreeProps) {
  const layout = layOutTree(classes, tree);
  const { width, height } = sizeOf(layout);
  const counts = layout.pools.map((of) => new Set(of).size);
  return (
    <figure
      class="tree"
      data-cut={layout.cut}
      data-counts={counts.join(" ")}
      data-address={hrefOf === undefined ? undefined : "pools"}
    >
      <figcaption>
        Joints from left to right, the cheapest first. A joint costs the features that its two sides
        give up, counted once per node. Joints left of the cut are made.
      </figcaption>
      {hrefOf !== undefined && <Cuts cut={layout.cut} counts={counts} hrefOf={hrefOf} />}
      <Scroll label="Merge tree">
        <svg
          role="img"
          aria-label={`Merge tree of ${plural(layout.leaves.length, "class")}; the table below has the same numbers`}
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
          data-labels={LABELS}
          data-step={STEP}
        >
          <TreeDrawing layout={layout} />
        </svg>
      </Scroll>
      <p class="cutter" hidden>
        <label>
          Cut <input type="range" min={0} max={tree.length} step={1} value={layout.cut} />
        </label>{" "}
        <output />
      </p>
      <Twin title="What each joint costs, as a table">
        <Joints tree={tree} />
      </Twin>
    </figure>
  );
}
