/** What somebody may have meant who wrote a name that there is not. */

/** Optimal string alignment distance: insertions, deletions, replacements, swaps of neighbours. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}

/** Names are compared without case and without what separates their parts. */
const plain = (name: string) => name.toLowerCase().replaceAll(/[-_. ]/g, "");

/** A longer text is no misspelt name, and would take long to compare. */
const LONGEST = 64;

/** ` (did you mean GFNI?)`, or nothing where no known name is near. */
export function didYouMean(name: string, known: Iterable<string>): string {
  if (name.length > LONGEST) return "";
  const meant = plain(name);
  const near = [...known]
    .map((candidate) => ({ candidate, far: distance(meant, plain(candidate)) }))
    .filter(({ candidate, far }) => far <= Math.min(2, Math.floor(plain(candidate).length / 3)))
    .toSorted((a, b) => a.far - b.far);
  const best = near.filter(({ far }) => far === near[0]?.far).slice(0, 3);
  if (best.length === 0) return "";
  return ` (did you mean ${best.map(({ candidate }) => candidate).join(" or ")}?)`;
}
