import { describe, expect, it } from "vitest";
import { renderFleetPage } from "../src/index.ts";
import { featureRows } from "../src/view/guest-cpu.ts";
import { countVerdicts, grid } from "../src/view/matrix.ts";
import { layOutTree } from "../src/view/merge-tree.ts";
import { PLAN, TREE } from "./documents.ts";

describe("a matrix", () => {
  const classes = ["a", "b"].map((label) => ({ label, nodes: [label] }));
  const yes = { from: "a", to: "b", verdict: "compatible" as const, findings: [] };

  it("keeps directions apart", () => {
    const rows = grid({ classes, moves: [yes] });
    expect([rows[0]?.[1]?.verdict, rows[1]?.[0]?.verdict]).toEqual(["compatible", undefined]);
  });

  it("counts a move that nobody judged as unknown, not as compatible", () => {
    expect(countVerdicts({ classes, moves: [yes] })).toEqual({
      compatible: 1,
      unknown: 3,
      insecure: 0,
      incompatible: 0,
    });
  });
});

describe("the guest CPU", () => {
  const rows = new Map(featureRows(PLAN).map((row) => [row.name, row]));

  it("says per class what is given up, and why", () => {
    expect(rows.get("MPX")).toMatchObject({
      cells: ["given-up", "lacking"],
      reason: "one class lacks it",
    });
    expect(rows.get("SHA")).toMatchObject({
      cells: ["lacking", "given-up"],
      reason: "given up on purpose (--forbid)",
    });
  });

  it("says which guests see a vulnerability bit that their class would not show", () => {
    expect(rows.get("RRSBA")).toMatchObject({ kind: "set-everywhere", cells: ["set", "added"] });
  });

  it("names what guests have, in the tables' words", () => {
    expect(rows.get("AVX512F")).toMatchObject({ kind: "kept", group: "AVX-512" });
  });
});

describe("the merge tree", () => {
  const layout = layOutTree([], TREE);

  it("puts what is joined next to each other", () => {
    expect(layout.leaves).toEqual(["a", "c", "b", "d"]);
    expect(layout.joints.map(({ row, step }) => [row, step])).toEqual([
      [0.5, 1],
      [2.5, 2],
      [1.5, 3],
    ]);
  });

  it("cuts behind the joints that were made", () => {
    expect(layout.cut).toBe(2);
    expect(layout.pools).toEqual([
      [0, 1, 2, 3],
      [0, 0, 1, 2],
      [0, 0, 1, 1],
      [0, 0, 0, 0],
    ]);
  });
});

describe("a heat map of many cells", () => {
  const labels = Array.from({ length: 20 }, (_, i) => ({ label: `class-${i}`, nodes: [] }));
  const moves = labels.flatMap((from) =>
    labels.map((to) => ({
      from: from.label,
      to: to.label,
      verdict: "incompatible" as const,
      findings: [
        {
          severity: "incompatible" as const,
          rule: "feature",
          address: "",
          name: "AVX512_VBMI2",
          consequence: "die of SIGILL",
        },
      ],
    })),
  );
  const assets = { css: "/a.css", js: "/a.js", events: "/events" };
  const compatibility = { classes: labels, from: labels, moves, hidden: 0 };
  const textFor = (cell: string) =>
    renderFleetPage({ page: "compatibility", cell, compatibility }, assets, true);

  it("has the findings of the cell that the address names, and a link for each other", () => {
    expect(textFor("").match(/class="detail"/g)).toBeNull();
    const opened = textFor("3-7");
    expect(opened.match(/class="detail"/g)).toHaveLength(1);
    expect(opened).toContain('<section id="map-3-7" class="detail"');
    expect(opened).toContain('href="/compatibility?cell=20-1#map-20-1"');
  });
});
