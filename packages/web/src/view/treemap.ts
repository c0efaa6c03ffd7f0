/** Tiles whose areas are in proportion to numbers, as square as they come (Bruls, Huizing, van Wijk 2000). */

export interface Tile<T> {
  readonly item: T;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Room {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Sized<T> {
  readonly item: T;
  readonly area: number;
}

/** The worst ratio of sides among tiles that share a strip along `side`. */
function worstOf(areas: readonly number[], side: number): number {
  const sum = areas.reduce((a, b) => a + b, 0);
  if (sum === 0 || side === 0) return Infinity;
  const [most, least] = [Math.max(...areas), Math.min(...areas)];
  return Math.max((side ** 2 * most) / sum ** 2, sum ** 2 / (side ** 2 * least));
}

function layStrip<T>(strip: readonly Sized<T>[], room: Room): { tiles: Tile<T>[]; rest: Room } {
  const sum = strip.reduce((total, { area }) => total + area, 0);
  const { x, y, width, height } = room;
  const isWide = width >= height;
  const depth = sum / (isWide ? height : width);
  let at = isWide ? y : x;
  const tiles = strip.map(({ item, area }): Tile<T> => {
    const length = depth === 0 ? 0 : area / depth;
    const start = at;
    at += length;
    return isWide
      ? { item, x, y: start, width: depth, height: length }
      : { item, x: start, y, width: length, height: depth };
  });
  const rest = isWide
    ? { x: x + depth, y, width: width - depth, height }
    : { x, y: y + depth, width, height: height - depth };
  return { tiles, rest };
}

/** Items of no size are left out. */
export function treemap<T>(
  items: readonly T[],
  sizeOf: (item: T) => number,
  { width, height }: Pick<Room, "width" | "height">,
): Tile<T>[] {
  const sized = items.filter((item) => sizeOf(item) > 0).toSorted((a, b) => sizeOf(b) - sizeOf(a));
  const all = sized.reduce((sum, item) => sum + sizeOf(item), 0);
  let room: Room = { x: 0, y: 0, width, height };
  let strip: Sized<T>[] = [];
  const tiles: Tile<T>[] = [];
  const finish = () => {
    const laid = layStrip(strip, room);
    tiles.push(...laid.tiles);
    room = laid.rest;
    strip = [];
  };
  for (const item of sized) {
    const next = { item, area: (sizeOf(item) / all) * width * height };
    const side = Math.min(room.width, room.height);
    const areas = strip.map(({ area }) => area);
    if (strip.length > 0 && worstOf([...areas, next.area], side) > worstOf(areas, side)) finish();
    strip.push(next);
  }
  if (strip.length > 0) finish();
  return tiles;
}
