/** Long lists: the server searches and pages, so that a list of ten thousand nodes stays small. */
import { plural, short } from "../view/text.ts";
import type { Listed } from "./data.ts";

export interface SearchProps {
  readonly action: string;
  readonly noun: string;
  readonly search: string;
  readonly listed: Listed<unknown>;
}

function address(action: string, search: string, page: number): string {
  const query = new URLSearchParams({
    ...(search === "" ? {} : { q: search }),
    ...(page === 1 ? {} : { page: String(page) }),
  }).toString();
  return query === "" ? action : `${action}?${query}`;
}

export function Search({ action, noun, search, listed }: SearchProps) {
  const { matching } = listed;
  return (
    <form class="search" role="search" method="get" action={action}>
      <label>
        Search {plural(2, noun).slice(2)}{" "}
        <input type="search" name="q" value={short(search, 200)} />
      </label>
      <button type="submit">Search</button>
      <span>
        {plural(matching, noun)}
        {search !== "" && " match"}
      </span>
    </form>
  );
}

export function Pager({ action, noun, search, listed }: SearchProps) {
  const { page, pages } = listed;
  if (pages === 1) return null;
  return (
    <nav class="pager" aria-label={`Pages of ${plural(2, noun).slice(2)}`}>
      {page > 1 && (
        <a href={address(action, search, page - 1)} rel="prev">
          ← Previous
        </a>
      )}
      <span>
        Page {page} of {pages}
      </span>
      {page < pages && (
        <a href={address(action, search, page + 1)} rel="next">
          Next →
        </a>
      )}
    </nav>
  );
}
