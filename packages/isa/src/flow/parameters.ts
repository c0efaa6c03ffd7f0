/** What a function is given, by all calls of it that are known. */
import { ASKED, join, markAsked, UNKNOWN, type Value } from "./values.ts";

export interface CallSite {
  readonly caller: number;
  readonly values: ReadonlyMap<number, Value>;
}

/** By register: answers that call sites give, and where all of them are known, the same number. */
export function parametersOf(sites: readonly CallSite[], complete: boolean): Map<number, Value> {
  const parameters = new Map<number, Value>();
  const registers = new Set(sites.flatMap(({ values }) => [...values.keys()]));
  for (const register of registers) {
    const values = sites.map((site) => site.values.get(register) ?? UNKNOWN);
    const answers = values.filter(({ asked }) => asked);
    if (answers.length === 0) {
      const all = complete ? values.reduce(join) : UNKNOWN;
      if (all.kind === "number") parameters.set(register, all);
      continue;
    }
    // A call site that gives a number of its own has asked nobody.
    if (values.some(({ kind, n, asked }) => kind === "number" && !asked && n !== 0)) continue;
    const all = answers.reduce(join);
    parameters.set(register, answers.length === values.length ? markAsked(all) : ASKED);
  }
  return parameters;
}

export function isSameMap(
  a: ReadonlyMap<number, Value> | undefined,
  b: ReadonlyMap<number, Value>,
): boolean {
  if (a === undefined || a.size !== b.size) return false;
  return [...b].every(([key, { kind, n }]) => {
    const other = a.get(key);
    return other !== undefined && other.kind === kind && other.n === n;
  });
}
