/** What is known of functions before they are followed into. */
import type { Summary } from "./findings.ts";
import { isSameMap } from "./parameters.ts";
import { UNKNOWN } from "./values.ts";

export const NOTHING: Summary = {
  value: UNKNOWN,
  results: new Map(),
  fills: false,
  more: new Map(),
  fields: new Map(),
  refuses: false,
};

export function isSameSummary(a: Summary | undefined, b: Summary): boolean {
  const { value, results, fills, more, refuses } = a ?? NOTHING;
  if (
    fills !== b.fills ||
    refuses !== b.refuses ||
    value.kind !== b.value.kind ||
    value.asked !== b.value.asked
  )
    return false;
  return (
    value.n === b.value.n &&
    isSameMap(results, b.results) &&
    isSameMap(more, b.more) &&
    (a ?? NOTHING).fields.size === b.fields.size
  );
}
