/** Placement, against a second implementation that is written to be read, not to be quick. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { layOutFleet, openVerdictIndex, place, type FleetNode } from "../src/index.ts";
import { obstaclesOf, waysOut } from "../src/placement/explain.ts";

const VARIANTS = ["v0", "v1", "v2", "v3"];
const CONTRACTS = ["c0", "c1", "c2"];

const verdict = fc.constantFrom("compatible", "insecure", "incompatible", "unknown");

const index = fc.array(
  fc.record({
    contract: fc.constantFrom(...CONTRACTS),
    variant: fc.constantFrom(...VARIANTS),
    verdict,
  }),
  { maxLength: 20 },
);

const node = fc.record({
  variant: fc.constantFrom(...VARIANTS),
  pool: fc.constantFrom(undefined, "p", "q"),
  state: fc.constantFrom("ready", "ready", "suspect", "lost"),
  held: fc.boolean(),
  cordoned: fc.boolean(),
  labels: fc.constantFrom({}, { a: "1" }, { a: "2", b: "1" }),
  freeSandboxes: fc.integer({ min: 0, max: 2 }),
  freeMemoryMib: fc.integer({ min: 0, max: 4 }),
  holds: fc.boolean(),
});

const question = fc.record({
  contract: fc.constantFrom(...CONTRACTS, "never seen"),
  memoryMib: fc.integer({ min: 0, max: 4 }),
  labels: fc.constantFrom({}, { a: "1" }, { b: "1" }),
  pool: fc.constantFrom(undefined, "p"),
  limit: fc.integer({ min: 1, max: 5 }),
});

type Drawn = typeof node extends fc.Arbitrary<infer T> ? T : never;

/** Which filter takes a node, by the order that the API's documentation gives. */
function naiveFilter(
  one: Drawn,
  asked: { memoryMib: number; labels: Record<string, string>; pool: string | undefined },
  fits: boolean,
): string | undefined {
  if (one.state !== "ready") return one.state;
  if (one.held) return "held";
  if (one.cordoned) return "cordoned";
  if (asked.pool !== undefined && one.pool !== asked.pool) return "pool";
  const labels: Record<string, string> = one.labels;
  for (const key of Object.keys(asked.labels))
    if (labels[key] !== asked.labels[key]) return "labels";
  if (!fits) return "verdict";
  return one.freeSandboxes < 1 || one.freeMemoryMib < asked.memoryMib ? "capacity" : undefined;
}

test("it finds what a plain reading of the rules finds, in that order, and counts the rest", () => {
  fc.assert(
    fc.property(
      fc.array(node, { maxLength: 12 }),
      index,
      question,
      fc.constantFrom("spread", "pack"),
      (drawn, rows, asked, strategy) => {
        const nodes = drawn.map((one, i): FleetNode => {
          const name = `n${String(i).padStart(2, "0")}`;
          return { ...one, id: name, name, class: one.variant };
        });
        const verdicts = openVerdictIndex();
        verdicts.set(rows);
        const held = nodes.flatMap(({ id }, i) => (drawn[i]?.holds ? [["s", id] as const] : []));
        const strategies = new Map([["p", strategy]]);
        const fleet = layOutFleet({ nodes, index: verdicts, held, strategies });
        const answer = place(fleet, { ...asked, snapshot: "s" });

        const table = new Map(rows.map((row) => [`${row.contract} ${row.variant}`, row.verdict]));
        const says = (contract: string, variant: string) => table.get(`${contract} ${variant}`);
        const served = (variant: string) =>
          CONTRACTS.filter((contract) => says(contract, variant) === "compatible").length;
        const taken = drawn.map((one) =>
          naiveFilter(one, asked, says(asked.contract, one.variant) === "compatible"),
        );
        const sign = asked.pool === "p" && strategy === "pack" ? 1 : -1;
        const fitting = drawn
          .map((one, i) => ({ one, i }))
          .filter(({ i }) => taken[i] === undefined)
          .toSorted(
            (a, b) =>
              Number(b.one.holds) - Number(a.one.holds) ||
              served(a.one.variant) - served(b.one.variant) ||
              sign * (a.one.freeMemoryMib - b.one.freeMemoryMib) ||
              a.i - b.i,
          );
        expect(answer.nodes).toEqual(fitting.slice(0, asked.limit).map(({ i }) => i));
        expect(answer.eligible).toBe(fitting.length);
        const counts = new Map<string, number>();
        for (const filter of taken) {
          if (filter !== undefined) counts.set(filter, (counts.get(filter) ?? 0) + 1);
        }
        expect(new Map(answer.filters)).toEqual(counts);
        // Each node is counted once, or it is eligible.
        const all = [...answer.filters.values()].reduce((sum, count) => sum + count, 0);
        expect(all + answer.eligible).toBe(nodes.length);
      },
    ),
    { numRuns: 500 },
  );
});

test("only a verdict of compatible places, and a pair that was never judged does not", () => {
  const nodes = ["compatible", "insecure", "incompatible", "unknown", "unjudged"].map(
    (variant): FleetNode => ({
      id: variant,
      name: variant,
      class: variant,
      variant,
      pool: undefined,
      state: "ready",
      held: false,
      cordoned: false,
      labels: {},
      freeSandboxes: 1,
      freeMemoryMib: 1,
    }),
  );
  const verdicts = openVerdictIndex();
  const judged = ["compatible", "insecure", "incompatible", "unknown"] as const;
  verdicts.set(judged.map((one) => ({ contract: "c", variant: one, verdict: one })));
  const fleet = layOutFleet({ nodes, index: verdicts, held: [], strategies: new Map() });
  const ask = { snapshot: undefined, memoryMib: 1, labels: {}, pool: undefined, limit: 9 };
  expect(place(fleet, { ...ask, contract: "c" }).nodes).toEqual([0]);
  const unknown = place(fleet, { ...ask, contract: "never seen" });
  expect([unknown.nodes, unknown.refused.size]).toEqual([[], 5]);
  expect(obstaclesOf(new Map([["unjudged", 1]]), new Map())).toEqual([
    { verdict: "unknown", rule: "index", name: "not judged yet", address: "", nodes: 1 },
  ]);
  expect(waysOut(unknown)).toEqual([
    "boot it anew from its disk: a cold boot takes the CPU of the node, or of the pool's plan",
  ]);
});

test("a verdict that changes changes what a variant is counted to serve", () => {
  const verdicts = openVerdictIndex();
  const set = (one: "compatible" | "unknown") =>
    verdicts.set([{ contract: "c", variant: "v", verdict: one }]);
  set("compatible");
  set("compatible");
  expect(verdicts.served("v")).toBe(1);
  set("unknown");
  expect([verdicts.served("v"), verdicts.verdict("c", "v")]).toEqual([0, "unknown"]);
});
