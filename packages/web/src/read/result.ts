/** Which result a JSON document is, and its data; everything that is wrong is named with its place. */
import { CoreError, type Problem } from "@evenkeel/core";
import type { z } from "zod";
import {
  DriftDocument,
  LabDocument,
  MatrixDocument,
  PlanDocument,
  PoolsDocument,
  ScanDocument,
  VerifyDocument,
} from "./schemas.ts";

export type Result =
  | { readonly kind: "matrix"; readonly data: MatrixDocument }
  | { readonly kind: "plan"; readonly data: PlanDocument }
  | { readonly kind: "pools"; readonly data: PoolsDocument }
  | { readonly kind: "lab"; readonly data: LabDocument }
  | { readonly kind: "drift"; readonly data: DriftDocument }
  | { readonly kind: "verify"; readonly data: VerifyDocument }
  | { readonly kind: "scan"; readonly data: ScanDocument };

function placeOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (place, key) =>
      typeof key === "number"
        ? `${place}[${key}]`
        : place === ""
          ? String(key)
          : `${place}.${String(key)}`,
    "",
  );
}

function parse<S extends z.ZodType>(schema: S, json: unknown): z.infer<S> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }): Problem => ({
    path: placeOf(path),
    message,
  }));
  throw new CoreError("BAD_FIELD", problems);
}

function duplicates(names: readonly string[], place: (i: number) => string): Problem[] {
  const seen = new Set<string>();
  return names.flatMap((name, i) => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [{ path: place(i), message: "duplicate" }];
  });
}

/** Two verdicts on one move would leave open which of them is shown. */
function requireUnique(...problems: readonly Problem[][]): void {
  const found = problems.flat();
  if (found.length > 0) throw new CoreError("BAD_FIELD", found);
}

function readMatrix(json: unknown): Result {
  const data = parse(MatrixDocument, json);
  requireUnique(
    duplicates(
      data.entries.map(({ label }) => label),
      (i) => `entries[${i}].label`,
    ),
    duplicates(
      data.pairs.map(({ from, to }) => JSON.stringify([from, to])),
      (i) => `pairs[${i}]`,
    ),
  );
  return { kind: "matrix", data };
}

function readPlanDocument(json: unknown): PlanDocument {
  const data = parse(PlanDocument, json);
  requireUnique(
    duplicates(
      data.classes.map(({ id }) => id),
      (i) => `classes[${i}].id`,
    ),
  );
  return data;
}

/** Each step joins two groups that are there, or the tree is none. */
function readPools(json: unknown): Result {
  const data = parse(PoolsDocument, json);
  const groups = new Set<string>();
  const merged = new Set<string>();
  const keyOf = (ids: readonly string[]) => JSON.stringify(ids.toSorted());
  for (const [i, { left, right }] of data.tree.entries()) {
    for (const [side, ids] of [
      ["left", left],
      ["right", right],
    ] as const) {
      const key = keyOf(ids);
      if ((ids.length > 1 && !groups.has(key)) || merged.has(key)) {
        throw new CoreError("BAD_FIELD", [
          { path: `tree[${i}].${side}`, message: "no group of classes that is there by then" },
        ]);
      }
      merged.add(key);
    }
    groups.add(keyOf([...left, ...right]));
  }
  return { kind: "pools", data };
}

function has(json: object, ...keys: readonly string[]): boolean {
  return keys.every((key) => Object.hasOwn(json, key));
}

/** Undefined for another document: a profile, a template, a contract. */
export function readResult(json: unknown): Result | undefined {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  const { schema } = json as { readonly schema?: unknown };
  if (schema === "evenkeel/matrix@1") return readMatrix(json);
  if (schema === "evenkeel/pool-plan@1") return { kind: "plan", data: readPlanDocument(json) };
  if (has(json, "pools", "tree")) return readPools(json);
  if (has(json, "grids", "asPredicted")) return { kind: "lab", data: parse(LabDocument, json) };
  if (has(json, "outcome", "changes")) return { kind: "drift", data: parse(DriftDocument, json) };
  if (has(json, "mismatches", "subject")) {
    return { kind: "verify", data: parse(VerifyDocument, json) };
  }
  if (has(json, "files", "unread")) return { kind: "scan", data: parse(ScanDocument, json) };
  return undefined;
}
