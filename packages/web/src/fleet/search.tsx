/** Long lists: the server filters, so that a page of ten thousand nodes stays small. */
import { plural, short } from "../view/text.ts";

/** Rows of a page. */
const MOST_ROWS = 500;

export interface Found<T> {
  readonly rows: readonly T[];
  /** Those that match, shown or not. */
  readonly matching: number;
}

/** Rows that have every word of the search somewhere in their text. */
export function find<T>(rows: readonly T[], search: string, textOf: (row: T) => string): Found<T> {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = rows.filter((row) => {
    const text = textOf(row).toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return { rows: matching.slice(0, MOST_ROWS), matching: matching.length };
}

export interface SearchProps {
  readonly action: string;
  readonly noun: string;
  readonly search: string;
  readonly found: Found<unknown>;
}

export function Search({ action, noun, search, found }: SearchProps) {
  const { rows, matching } = found;
  const more = matching - rows.length;
  return (
    <form class="search" role="search" method="get" action={action}>
      <label>
        Search {noun}s <input type="search" name="q" value={short(search, 200)} />
      </label>
      <button type="submit">Search</button>
      <span>
        {plural(matching, noun)}
        {search !== "" && " match"}
        {more > 0 && `; the first ${rows.length} are shown, narrow the search for the others`}
      </span>
    </form>
  );
}
