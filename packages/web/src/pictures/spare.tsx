/** What is left if one class goes: a bar for each, of what the others can run. */
import type { Overview } from "@evenkeel/api";
import type { ComponentChildren } from "preact";
import { plural, short } from "../view/text.ts";
import { Table } from "./parts.tsx";

type Share = Overview["classes"][number];

/** In SVG units, which are CSS pixels. */
const WIDTH = 220;
const HEIGHT = 16;

interface Fate {
  readonly tone: string;
  readonly sign: string;
  readonly text: string;
}

function fateOf({ left, alone }: Share): Fate {
  const missing = Math.max(0, -left.sandboxes);
  if (missing > 0) {
    const text = `${plural(missing, "sandbox")} too many`;
    return { tone: "incompatible", sign: "✕", text };
  }
  if (left.memoryMib < 0) {
    return { tone: "incompatible", sign: "✕", text: `${-left.memoryMib} MiB too little` };
  }
  if (alone > 0) {
    return { tone: "insecure", sign: "!", text: `${plural(alone, "snapshot")} stranded` };
  }
  return { tone: "compatible", sign: "✓", text: "nothing lost" };
}

/** What runs now, in what the others can run, in what the fleet can run. */
function Bar({ share, room, used }: { share: Share; room: number; used: number }) {
  const scale = (count: number) => (room === 0 ? 0 : (count / room) * WIDTH);
  const others = scale(room - share.room.sandboxes);
  const taken = Math.min(scale(used), WIDTH);
  const inside = Math.min(taken, others);
  return (
    <svg
      class="spare"
      aria-hidden="true"
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
    >
      <rect class="gone" x={0.5} y={0.5} width={WIDTH - 1} height={HEIGHT - 1} />
      <rect class="others" x={0} y={0} width={others} height={HEIGHT} />
      <rect class="taken" x={0} y={4} width={inside} height={HEIGHT - 8} />
      {taken > inside && (
        <rect class="over" x={inside} y={4} width={taken - inside} height={HEIGHT - 8} />
      )}
    </svg>
  );
}

export interface SpareProps {
  readonly overview: Overview;
  /** How a class is shown, and where the loss of one is simulated. */
  readonly nameOf: (name: string) => ComponentChildren;
  readonly changeOf: (name: string) => string;
}

export function Spare({ overview, nameOf, changeOf }: SpareProps) {
  const { classes, room, used, contracts } = overview;
  return (
    <Table
      caption="What is left if a class goes"
      rows={classes}
      columns={[
        { title: "Class", cell: (row) => nameOf(row.class) },
        { title: "Nodes", cell: ({ nodes }) => nodes, numeric: true },
        {
          title: "If it goes",
          cell: (share) => {
            const { tone, sign, text } = fateOf(share);
            return (
              <a class={`badge ${tone}`} href={changeOf(share.class)}>
                <span aria-hidden="true">{sign}</span> {text}
              </a>
            );
          },
        },
        {
          title: "Without it",
          cell: (share) => <Bar share={share} room={room.sandboxes} used={used.sandboxes} />,
        },
        { title: "Sandboxes left", cell: ({ left }) => left.sandboxes, numeric: true },
        {
          title: "GiB left",
          cell: ({ left }) => Math.floor(left.memoryMib / 1024),
          numeric: true,
        },
        {
          title: `Resumes, of ${plural(contracts, "contract")}`,
          cell: ({ serves }) => serves,
          numeric: true,
        },
        {
          title: "Kernels",
          cell: ({ kernels }) =>
            kernels
              .slice(0, 4)
              .map((one) => short(one, 30))
              .join(", "),
        },
        { title: "Architecture", cell: ({ arch }) => short(arch, 20) },
      ]}
    />
  );
}
