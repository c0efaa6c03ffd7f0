/** A square of signs: names on the left, numbers on top. */
import type { Verdict } from "@evenkeel/core";
import { short } from "../view/text.ts";
import { SIGNS, VERDICTS } from "../view/verdicts.ts";
import { svgText } from "./frame.tsx";

/** In CSS pixels. */
const LABELS = 260;
const CELL = 30;
const WORD_CELL = 128;
/** Up to here there is room for words. */
const WORDS = 6;
const TOP = 64;

interface SignCell {
  readonly verdict: Verdict;
  /** Beside the sign, where there is room. */
  readonly word: string;
}

export interface SignGrid {
  readonly title: string;
  readonly names: readonly string[];
  /** By row and column; undefined is left empty. */
  readonly cells: readonly (readonly (SignCell | undefined)[])[];
}

function Cell({ cell, x, y, width }: { cell: SignCell; x: number; y: number; width: number }) {
  const { verdict, word } = cell;
  return (
    <g class={`cell ${verdict}`} transform={`translate(${x} ${y})`}>
      <rect width={width - 2} height={CELL - 2} rx={3} />
      <text x={(width - 2) / 2} y={19}>
        {SIGNS[verdict]}
        {width > CELL && ` ${word}`}
      </text>
    </g>
  );
}

function Legend({ y }: { readonly y: number }) {
  return (
    <>
      {VERDICTS.map((verdict, i) => (
        <g key={verdict} class={`cell ${verdict}`} transform={`translate(${12 + i * 132} ${y})`}>
          <rect width={124} height={22} rx={3} />
          <text x={62} y={15}>
            {SIGNS[verdict]} {verdict}
          </text>
        </g>
      ))}
    </>
  );
}

export function gridSvg({ title, names, cells }: SignGrid): string {
  const width = names.length <= WORDS ? WORD_CELL : CELL;
  const bottom = TOP + names.length * CELL;
  const size = {
    width: Math.max(LABELS + names.length * width + 12, 560),
    height: bottom + 46,
  };
  return svgText({
    title,
    ...size,
    children: (
      <>
        <text class="title" x={12} y={24}>
          {short(title, 70)}
        </text>
        <text class="soft" x={12} y={TOP - 10}>
          from ↓ to →
        </text>
        {names.map((_, i) => (
          <text
            key={i}
            class="soft"
            x={LABELS + (i + 0.5) * width}
            y={TOP - 10}
            text-anchor="middle"
          >
            {i + 1}
          </text>
        ))}
        {names.map((name, i) => (
          <text key={i} class="mono" x={12} y={TOP + i * CELL + 19}>
            {i + 1} {short(name, 30)}
          </text>
        ))}
        {cells.flatMap((row, i) =>
          row.map((cell, j) =>
            cell === undefined ? null : (
              <Cell
                key={`${i} ${j}`}
                cell={cell}
                x={LABELS + j * width}
                y={TOP + i * CELL}
                width={width}
              />
            ),
          ),
        )}
        <Legend y={bottom + 14} />
      </>
    ),
  });
}
