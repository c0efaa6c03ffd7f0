/**
 * Classes as tiles, each as large as what its nodes can run. The picture is for eyes and mice: the
 * twin has the same numbers and links for keyboards and screen readers.
 */
import type { Overview } from "@evenkeel/api";
import type { ComponentChildren } from "preact";
import { plural, short } from "../view/text.ts";
import { treemap, type Tile } from "../view/treemap.ts";
import { Scroll, Table, Twin } from "./parts.tsx";

/** Open nodes are those that get new work. */
type Share = Pick<Overview["classes"][number], "class" | "nodes" | "open" | "room">;

/** In SVG units. */
const SIZE = { width: 1200, height: 200 } as const;
/** Room for a character, and for a line. */
const CHARACTER = 7.6;
const LINE = 18;

interface State {
  readonly tone: string;
  readonly sign: string;
  readonly text: string;
}

function stateOf({ nodes, open }: Share): State {
  if (open === nodes) return { tone: "compatible", sign: "✓", text: "all open" };
  const text = `${open} of ${nodes} open`;
  return open === 0
    ? { tone: "incompatible", sign: "✕", text }
    : { tone: "insecure", sign: "!", text };
}

function ClassTile({ tile, href }: { readonly tile: Tile<Share>; readonly href: string }) {
  const { item, x, y, width, height } = tile;
  const { tone, sign, text } = stateOf(item);
  const room = Math.floor((width - 14) / CHARACTER);
  const lines = [`${sign} ${item.class}`, `${plural(item.nodes, "node")}, ${text}`];
  const shown = room < 6 ? [] : lines.slice(0, Math.floor((height - 6) / LINE));
  return (
    <a href={href} class={`tile ${tone}`} tabIndex={-1}>
      <title>{`${short(item.class, 80)}: ${lines[1]}`}</title>
      <rect x={x + 1} y={y + 1} width={Math.max(0, width - 2)} height={Math.max(0, height - 2)} />
      {shown.map((line, i) => (
        <text key={line} x={x + 8} y={y + LINE * (i + 1)}>
          {short(line, room)}
        </text>
      ))}
    </a>
  );
}

export interface TilesProps {
  readonly classes: readonly Share[];
  readonly hrefOf: (name: string) => string;
  readonly nameOf: (name: string) => ComponentChildren;
}

export function Tiles({ classes, hrefOf, nameOf }: TilesProps) {
  const tiles = treemap(classes, ({ nodes, room }) => Math.max(room.sandboxes, nodes), SIZE);
  if (tiles.length < 2) return null;
  return (
    <figure class="classes">
      <figcaption>Classes, by how many sandboxes their open nodes can run.</figcaption>
      <Scroll label="Classes">
        <svg
          viewBox={`0 0 ${SIZE.width} ${SIZE.height}`}
          width={SIZE.width}
          height={SIZE.height}
          aria-hidden="true"
        >
          {tiles.map((tile) => (
            <ClassTile key={tile.item.class} tile={tile} href={hrefOf(tile.item.class)} />
          ))}
        </svg>
      </Scroll>
      <Twin title="Classes, as a table">
        <Table
          caption="Classes"
          rows={classes}
          columns={[
            { title: "Class", cell: (row) => nameOf(row.class) },
            { title: "Nodes", cell: ({ nodes }) => nodes, numeric: true },
            { title: "Open", cell: ({ open }) => open, numeric: true },
            { title: "Sandboxes that fit", cell: ({ room }) => room.sandboxes, numeric: true },
          ]}
        />
      </Twin>
    </figure>
  );
}
