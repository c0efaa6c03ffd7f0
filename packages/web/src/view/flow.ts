/** What a change does to contracts, laid out as bands from where they were to where they end. */
import type { Simulation } from "@evenkeel/api";

type Tone = "compatible" | "insecure" | "incompatible" | "unknown";

export interface End {
  readonly id: string;
  readonly text: string;
  readonly tone: Tone;
  readonly contracts: number;
  /** In units of the picture. */
  readonly y: number;
  readonly height: number;
}

export interface Band {
  readonly from: string;
  readonly to: string;
  readonly contracts: number;
  readonly fromY: number;
  readonly toY: number;
  readonly height: number;
}

export interface Flow {
  readonly left: readonly End[];
  readonly right: readonly End[];
  readonly bands: readonly Band[];
  readonly height: number;
}

/** Classes that have an end of their own; the others share one. */
const MOST_CLASSES = 8;
/** In SVG units. */
const FULL = 260;
const LEAST = 3;
/** So that two lines of words fit between the ends. */
const GAP = 34;

type Outcome = Simulation["contracts"][number];

interface Part {
  readonly from: "could" | "could-not";
  readonly to: string;
  readonly text: string;
  readonly tone: Tone;
  readonly contracts: number;
}

function fateOf({ fate, lastClass }: Outcome): Pick<Part, "to" | "text" | "tone"> {
  if (fate === "stranded") return { to: "stranded", text: "stranded", tone: "incompatible" };
  if (fate === "already") {
    return { to: "already", text: "stranded before, too", tone: "unknown" };
  }
  if (fate === "waiting") {
    return { to: "waiting", text: "only on nodes that get no new work", tone: "insecure" };
  }
  if (lastClass !== null) {
    return { to: `class ${lastClass}`, text: `${lastClass} alone`, tone: "insecure" };
  }
  return { to: "kept", text: "two classes or more", tone: "compatible" };
}

function partsOf({ contracts, kept }: Simulation): Part[] {
  const parts = new Map<string, Part>();
  const add = (part: Part) => {
    const key = `${part.from} ${part.to}`;
    const known = parts.get(key)?.contracts ?? 0;
    parts.set(key, { ...part, contracts: known + part.contracts });
  };
  if (kept > 0) {
    add({
      from: "could",
      to: "kept",
      text: "two classes or more",
      tone: "compatible",
      contracts: kept,
    });
  }
  for (const outcome of contracts) {
    const could = outcome.fate !== "already" && outcome.fate !== "regained";
    add({ from: could ? "could" : "could-not", ...fateOf(outcome), contracts: 1 });
  }
  return foldClasses([...parts.values()]);
}

/** The largest classes by name, the others together. */
function foldClasses(parts: readonly Part[]): Part[] {
  const sizes = new Map<string, number>();
  for (const { to, contracts } of parts) {
    if (to.startsWith("class ")) sizes.set(to, (sizes.get(to) ?? 0) + contracts);
  }
  const shown = new Set(
    [...sizes]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, MOST_CLASSES)
      .map(([to]) => to),
  );
  const rest = sizes.size - shown.size;
  const folded = new Map<string, Part>();
  for (const part of parts) {
    const fold = part.to.startsWith("class ") && !shown.has(part.to);
    const own = fold ? { ...part, to: "classes", text: `one class alone: ${rest} others` } : part;
    const key = `${own.from} ${own.to}`;
    const known = folded.get(key)?.contracts ?? 0;
    folded.set(key, { ...own, contracts: known + own.contracts });
  }
  return [...folded.values()];
}

const ORDER = ["kept", "class", "classes", "waiting", "stranded", "already"];

function placeOf({ to }: Part): number {
  return ORDER.indexOf(to.split(" ")[0] ?? "");
}

const LEFT = {
  could: { text: "could resume before", tone: "compatible" },
  "could-not": { text: "could resume nowhere before", tone: "unknown" },
} as const;

function stack(
  ends: readonly Omit<End, "y" | "height">[],
  heightOf: (id: string) => number,
): End[] {
  let y = 0;
  return ends.map((end) => {
    const height = heightOf(end.id);
    const placed = { ...end, y, height };
    y += height + GAP;
    return placed;
  });
}

export function layOutFlow(simulation: Simulation): Flow {
  const parts = partsOf(simulation).toSorted(
    (a, b) => placeOf(a) - placeOf(b) || b.contracts - a.contracts,
  );
  const all = parts.reduce((sum, { contracts }) => sum + contracts, 0);
  const sized = parts.map((part) => ({
    ...part,
    height: Math.max(LEAST, all === 0 ? 0 : (part.contracts / all) * FULL),
  }));
  const sumOf = (of: (part: (typeof sized)[number]) => boolean, field: "height" | "contracts") =>
    sized.filter(of).reduce((sum, part) => sum + part[field], 0);
  const sides = (["could", "could-not"] as const).filter((id) =>
    parts.some(({ from }) => from === id),
  );
  const left = stack(
    sides.map((id) => ({
      id,
      ...LEFT[id],
      contracts: sumOf(({ from }) => from === id, "contracts"),
    })),
    (id) => sumOf(({ from }) => from === id, "height"),
  );
  const targets = [...new Map(sized.map((part) => [part.to, part])).values()];
  const right = stack(
    targets.map(({ to, text, tone }) => ({
      id: to,
      text,
      tone,
      contracts: sumOf((part) => part.to === to, "contracts"),
    })),
    (id) => sumOf((part) => part.to === id, "height"),
  );
  const tops = new Map([...left, ...right].map(({ id, y }) => [id, y]));
  const take = (id: string, height: number) => {
    const y = tops.get(id) ?? 0;
    tops.set(id, y + height);
    return y;
  };
  const bands = sized.map(({ from, to, contracts, height }) => ({
    from,
    to,
    contracts,
    height,
    fromY: take(from, height),
    toY: take(to, height),
  }));
  const bottom = Math.max(0, ...[...left, ...right].map(({ y, height }) => y + height));
  return { left, right, bands, height: bottom + GAP };
}
