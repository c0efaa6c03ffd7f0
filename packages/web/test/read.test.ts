import { CoreError } from "@evenkeel/core";
import { describe, expect, it } from "vitest";
import { readResult } from "../src/index.ts";
import { matrixOf, PLAN, TREE } from "./documents.ts";

function problemsOf(json: unknown): string[] {
  try {
    readResult(json);
  } catch (error) {
    if (error instanceof CoreError) return error.problems.map(({ path }) => path);
    throw error;
  }
  throw new Error("it was read");
}

describe("readResult", () => {
  it("tells results apart", () => {
    const matrix = matrixOf(["a", "b"], () => "compatible");
    const unread = { files: [], skipped: [], unread: [] };
    expect(
      [PLAN, matrix, { pools: [PLAN], tree: TREE }, unread].map((json) => readResult(json)?.kind),
    ).toEqual(["plan", "matrix", "pools", "scan"]);
  });

  it("leaves other documents alone", () => {
    expect([null, 7, [], {}, { schema: "evenkeel/profile@1" }].map(readResult)).toEqual(
      Array.from({ length: 5 }),
    );
  });

  it("names every place that is wrong", () => {
    const matrix = matrixOf(["a"], () => "compatible");
    const pairs = [{ ...matrix.pairs[0], verdict: "yes" }];
    expect(problemsOf({ ...matrix, pairs })).toEqual(["pairs[0].verdict"]);
    expect(
      problemsOf({ ...PLAN, guestCpu: {}, classes: [{ ...PLAN.classes[0], nodes: 3 }] }),
    ).toEqual(["classes[0].nodes", "guestCpu.features"]);
  });

  it("takes one verdict for a move, and one class for a label", () => {
    const matrix = matrixOf(["a", "b"], () => "compatible");
    expect(problemsOf({ ...matrix, pairs: [...matrix.pairs, matrix.pairs[0]] })).toEqual([
      "pairs[4]",
    ]);
    expect(problemsOf({ ...matrix, entries: [...matrix.entries, matrix.entries[0]] })).toEqual([
      "entries[2].label",
    ]);
    expect(problemsOf({ ...PLAN, classes: [PLAN.classes[0], PLAN.classes[0]] })).toEqual([
      "classes[1].id",
    ]);
  });

  it("refuses a tree that joins what is not there", () => {
    expect(problemsOf({ pools: [], tree: TREE.slice(2) })).toEqual(["tree[0].left"]);
    expect(problemsOf({ pools: [], tree: [TREE[0], TREE[0]] })).toEqual(["tree[1].left"]);
  });
});
