/** Bands from where contracts were to where a change leaves them; the twin has the same numbers. */
import type { Simulation } from "@evenkeel/api";
import { layOutFlow, type Band, type End, type Flow as Layout } from "../view/flow.ts";
import { plural, short } from "../view/text.ts";
import { SIGNS } from "../view/verdicts.ts";
import { Scroll, Table, Twin } from "./parts.tsx";

/** In SVG units, which are CSS pixels. */
const WIDTH = 860;
const BAR = 10;
const LEFT = 210;
const RIGHT = 560;
const TOP = 18;

function bandPath({ fromY, toY, height }: Band): string {
  const [a, b] = [LEFT + BAR, RIGHT];
  const middle = (a + b) / 2;
  const [y, to] = [TOP + fromY, TOP + toY];
  return (
    `M${a} ${y}C${middle} ${y} ${middle} ${to} ${b} ${to}` +
    `V${to + height}C${middle} ${to + height} ${middle} ${y + height} ${a} ${y + height}Z`
  );
}

function EndMark({
  end,
  x,
  anchor,
}: {
  readonly end: End;
  readonly x: number;
  readonly anchor: string;
}) {
  const { tone, text, contracts, y, height } = end;
  const isLeft = anchor === "end";
  const at = isLeft ? x - 8 : x + BAR + 8;
  return (
    <g class={`end ${tone}`}>
      <rect x={x} y={TOP + y} width={BAR} height={height} />
      <text x={at} y={TOP + y + 11} text-anchor={anchor}>
        {SIGNS[tone]} {short(text, 34)}
      </text>
      <text class="soft" x={at} y={TOP + y + 27} text-anchor={anchor}>
        {plural(contracts, "contract")}
      </text>
    </g>
  );
}

function Drawing({ layout }: { readonly layout: Layout }) {
  const { left, right, bands } = layout;
  const tones = new Map(right.map(({ id, tone }) => [id, tone]));
  return (
    <>
      {bands.map((band) => (
        <path
          key={`${band.from} ${band.to}`}
          class={`band ${tones.get(band.to)}`}
          d={bandPath(band)}
        />
      ))}
      {left.map((end) => (
        <EndMark key={end.id} end={end} x={LEFT} anchor="end" />
      ))}
      {right.map((end) => (
        <EndMark key={end.id} end={end} x={RIGHT} anchor="start" />
      ))}
    </>
  );
}

export function Flow({ simulation }: { readonly simulation: Simulation }) {
  const layout = layOutFlow(simulation);
  const { left, right, bands, height } = layout;
  const texts = new Map([...left, ...right].map(({ id, text }) => [id, text]));
  if (bands.length === 0) return <p>No contract is known, so nothing can be stranded.</p>;
  return (
    <figure class="flow">
      <figcaption>
        Where contracts can resume before the change, and after it. A band is as thick as there are
        contracts in it.
      </figcaption>
      <Scroll label="What becomes of contracts">
        <svg
          role="img"
          aria-label="What becomes of contracts; the table below has the same numbers"
          width={WIDTH}
          height={height + TOP}
          viewBox={`0 0 ${WIDTH} ${height + TOP}`}
        >
          <Drawing layout={layout} />
        </svg>
      </Scroll>
      <Twin title="What becomes of contracts, as a table">
        <Table
          caption="What becomes of contracts"
          rows={bands}
          columns={[
            { title: "Before", cell: ({ from }) => texts.get(from) ?? "" },
            { title: "After", cell: ({ to }) => short(texts.get(to) ?? "", 80) },
            { title: "Contracts", cell: ({ contracts }) => contracts, numeric: true },
          ]}
        />
      </Twin>
    </figure>
  );
}
