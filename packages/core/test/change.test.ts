/**
 * What a change is said to do is what happens: over random fleets of real profiles, the snapshots
 * said to be stranded are those that `check` refuses on every node there is afterwards.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  classNameOf,
  ALL_LINES,
  EMPTY_TEMPLATE,
  judge,
  parseIdentity,
  planAgain,
  planPool,
  planToJson,
  predictContract,
  readDocument,
  replacePlan,
  requireCatalogueProfile,
  simulateChange,
  verdictKey,
  type CpuContract,
  type CpuTemplate,
  type FleetChange,
  type NodeProfile,
  type SimulatedFleet,
} from "../src/index.ts";
import { OWN_FOLDERS, profilesIn } from "./own-profiles.ts";
import { hasSharedData, x86Fingerprints } from "./shared-data.ts";

const RELEASE = "1.14.1";

const OWN = OWN_FOLDERS.flatMap((folder) => profilesIn(folder, RELEASE)).filter(
  ({ cpu }) => cpu.arch === "x86_64",
);
const ESTIMATES = ["granite-rapids@6.8"].map(requireCatalogueProfile);

interface Stock {
  readonly profiles: readonly NodeProfile[];
  readonly contracts: readonly CpuContract[];
}

function contractOn(profile: NodeProfile, template: CpuTemplate): CpuContract[] {
  const firecracker = profile.firecracker[0] ?? RELEASE;
  const made = predictContract(profile, { firecracker, vcpus: 1, smt: false, template });
  return made.ok ? [made.contract] : [];
}

/** Guests without a plan, and guests of every pool of two that can be planned. */
function stockOf(profiles: readonly NodeProfile[]): Stock {
  const planned = profiles.slice(1).flatMap((b, i) => {
    const a = profiles[i];
    if (a === undefined) return [];
    const result = planPool([
      { ...a, name: "a" },
      { ...b, name: "b" },
    ]);
    if (!result.ok) return [];
    return result.plan.classes.flatMap(({ nodeClass, template }) =>
      nodeClass.profiles.flatMap((profile) => contractOn(profile, template)),
    );
  });
  const plain = profiles.flatMap((profile) => contractOn(profile, EMPTY_TEMPLATE));
  return { profiles: [...profiles, ...ESTIMATES], contracts: [...plain, ...planned] };
}

/** `check`'s own way, one pair at a time. */
const judged = new Map<CpuContract, Map<string, boolean>>();
function resumes(contract: CpuContract, of: number, profile: NodeProfile): boolean {
  const own = judged.get(contract) ?? new Map<string, boolean>();
  judged.set(contract, own);
  const key = `${of} ${profile.firecracker.join()}`;
  const known = own.get(key) ?? judge(contract, profile).verdict === "compatible";
  own.set(key, known);
  return known;
}

/** A node as the test keeps it: which profile of the stock it is like. */
interface Drawn {
  readonly of: number;
  readonly versions: readonly string[];
}

type Step =
  | { readonly kind: "remove" | "add" | "replace"; readonly at: number; readonly of: number }
  | { readonly kind: "firecracker"; readonly versions: readonly string[] };

const VERSIONS = [["1.14.1"], ["1.10.1"], ["1.15.0"], ["1.14.1", "1.15.0"], []];

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("remove" as const, "add" as const, "replace" as const),
      at: fc.nat(),
      of: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("firecracker" as const),
      versions: fc.constantFrom(...VERSIONS),
    }),
  },
);

interface Case {
  readonly nodes: readonly number[];
  readonly guests: readonly number[];
  readonly steps: readonly Step[];
}

const cases: fc.Arbitrary<Case> = fc.record({
  nodes: fc.array(fc.nat(), { minLength: 1, maxLength: 8 }),
  guests: fc.array(fc.nat(), { minLength: 1, maxLength: 8 }),
  steps: fc.array(step, { minLength: 1, maxLength: 4 }),
});

function pick<T>(list: readonly T[], n: number): T {
  const found = list[n % list.length];
  if (found === undefined) throw new Error("an empty list");
  return found;
}

/** The same steps in two ways: as changes, and on the test's own map of nodes. */
function play(stock: Stock, { nodes, steps }: Case) {
  const { profiles } = stock;
  const fleet = new Map<string, Drawn>();
  const profile = (name: string, { of, versions }: Drawn): NodeProfile => ({
    ...pick(profiles, of),
    name,
    firecracker: versions,
  });
  const drawn = (of: number): Drawn => ({
    of: of % profiles.length,
    versions: pick(profiles, of).firecracker,
  });
  for (const [i, of] of nodes.entries()) fleet.set(`n${i}`, drawn(of));
  const before = new Map(fleet);
  const changes = steps.flatMap((one, i): FleetChange[] => {
    if (one.kind === "firecracker") {
      for (const [name, { of }] of fleet) fleet.set(name, { of, versions: one.versions });
      return [{ kind: "firecracker", versions: one.versions }];
    }
    if (one.kind === "add") {
      fleet.set(`a${i}`, drawn(one.of));
      return [{ kind: "add", nodes: [{ profile: profile(`a${i}`, drawn(one.of)) }] }];
    }
    if (fleet.size === 0) return [];
    const name = pick([...fleet.keys()], one.at);
    if (one.kind === "remove") {
      fleet.delete(name);
      return [{ kind: "remove", nodes: [name] }];
    }
    fleet.set(name, drawn(one.of));
    const like = profile("whatever it is called", drawn(one.of));
    return [{ kind: "replace", nodes: name, profile: like }];
  });
  const nodesBefore = [...before].map(([name, one]) => ({ profile: profile(name, one) }));
  return { before, after: fleet, changes, nodesBefore, profile };
}

/** What the cases came to: a property that never strands anything would hold for nothing. */
const seen = { stranded: 0, regained: 0, already: 0, kept: 0, waiting: 0 };

function simulatedIsRefused(stock: Stock) {
  return (drawn: Case) => {
    const { before, after, changes, nodesBefore, profile } = play(stock, drawn);
    const guests = drawn.guests.map((n, i) => [`s${i}`, pick(stock.contracts, n)] as const);
    const fleet: SimulatedFleet = {
      nodes: nodesBefore,
      contracts: new Map(guests),
      snapshots: guests.map(([id]) => ({ id, contract: id })),
    };
    const outcome = simulateChange(fleet, changes);
    const ableIn = (nodes: ReadonlyMap<string, Drawn>, contract: CpuContract) =>
      [...nodes].filter(([name, one]) => resumes(contract, one.of, profile(name, one)));
    const fate = guests.map(([id, contract]) => {
      const [was, is] = [ableIn(before, contract), ableIn(after, contract)];
      return { id, was: was.length, is, contract };
    });
    const ids = (list: typeof fate) => list.map(({ id }) => id).toSorted();
    expect(outcome.stranded).toEqual(ids(fate.filter(({ was, is }) => was > 0 && is.length === 0)));
    expect(outcome.alreadyStranded).toEqual(
      ids(fate.filter(({ was, is }) => was === 0 && is.length === 0)),
    );
    expect(outcome.regained).toEqual(ids(fate.filter(({ was, is }) => was === 0 && is.length > 0)));
    expect(outcome.nodesAfter).toBe(after.size);
    for (const { fate: one } of outcome.contracts) seen[one] += 1;
    for (const { id, is } of fate) {
      const own = outcome.contracts.find(({ contract }) => contract === id);
      expect(own?.after.compatible).toBe(is.length);
      const classes = new Set(is.map(([name, one]) => classNameOf(profile(name, one))));
      expect(own?.classes.map((one) => one.class)).toEqual([...classes].toSorted());
      expect(own?.lastClass).toBe(classes.size === 1 ? [...classes][0] : undefined);
    }
  };
}

test("the simulated stranded set is the refused set: the repository's own profiles", () => {
  const stock = stockOf(OWN);
  expect(stock.contracts.length).toBeGreaterThan(OWN.length);
  fc.assert(fc.property(cases, simulatedIsRefused(stock)), { numRuns: 200 });
  const { waiting, ...others } = seen;
  expect(waiting).toBe(0);
  for (const count of Object.values(others)) expect(count).toBeGreaterThan(20);
}, 300_000);

describe.skipIf(!hasSharedData)("with real fingerprints", () => {
  test("the simulated stranded set is the refused set", () => {
    const stock = stockOf(x86Fingerprints());
    const before = { ...seen };
    fc.assert(fc.property(cases, simulatedIsRefused(stock)), { numRuns: 200 });
    expect(seen.stranded).toBeGreaterThan(before.stranded + 20);
  }, 300_000);
});

const [CASCADE_LAKE, ICE_LAKE] = profilesIn("examples/bug-report-pool", RELEASE);
if (CASCADE_LAKE === undefined || ICE_LAKE === undefined) throw new Error("two profiles");
const [clx, icx] = [CASCADE_LAKE, ICE_LAKE];

function kept(...contracts: readonly CpuContract[]): SimulatedFleet {
  const named = contracts.map((contract, i) => [`s${i}`, contract] as const);
  return {
    nodes: [clx, icx].map((profile) => ({ profile, room: { sandboxes: 10, memoryMib: 1024 } })),
    contracts: new Map(named),
    snapshots: named.map(([id]) => ({ id, contract: id, holders: [icx.name] })),
  };
}

test("a lost class strands what it alone can resume, and says by which feature", () => {
  const [own] = contractOn(icx, EMPTY_TEMPLATE);
  if (own === undefined) throw new Error("it boots");
  const outcome = simulateChange(kept(own), [{ kind: "remove", nodes: [classNameOf(icx)] }]);
  expect(outcome).toMatchObject({ stranded: ["s0"], filesLost: ["s0"], unknown: [], count: 1 });
  const [{ obstacles, room, lastClass } = {}] = outcome.contracts;
  expect(obstacles?.map(({ name }) => name)).toContain("AVX512_VBMI2");
  expect([room, lastClass]).toEqual([{ sandboxes: 0, memoryMib: 0 }, undefined]);
});

test("with a plan, the same loss strands nothing, and leaves one class", () => {
  const made = planPool([clx, icx]);
  if (!made.ok) throw new Error("must plan");
  const planned = made.plan.classes.find(({ nodeClass }) => nodeClass.nodes.includes(icx.name));
  const [own] = contractOn(icx, planned?.template ?? EMPTY_TEMPLATE);
  if (own === undefined) throw new Error("it boots");
  const before = simulateChange(kept(own), []);
  expect(before.contracts[0]).toMatchObject({ fate: "kept", room: { sandboxes: 20 } });
  expect(before.contracts[0]?.lastClass).toBeUndefined();
  const after = simulateChange(kept(own), [{ kind: "remove", nodes: [icx.name] }]);
  expect(after).toMatchObject({ stranded: [], filesLost: ["s0"], count: 1 });
  expect(after.contracts[0]?.lastClass).toBe(classNameOf(clx));
});

test("a closed node saves nothing, and is stranded by nothing but its own loss", () => {
  const [own] = contractOn(icx, EMPTY_TEMPLATE);
  if (own === undefined) throw new Error("it boots");
  const fleet = kept(own);
  const closed = {
    ...fleet,
    nodes: fleet.nodes.map((node) => ({ ...node, closed: node.profile.name === icx.name })),
  };
  const other = simulateChange(closed, [{ kind: "remove", nodes: [clx.name] }]);
  expect(other).toMatchObject({ stranded: [], waiting: ["s0"], count: 0 });
  // Closed first and removed then is stranded all the same.
  const itself = simulateChange(closed, [{ kind: "remove", nodes: [icx.name] }]);
  expect(itself).toMatchObject({ stranded: ["s0"], waiting: [] });
});

test("what was judged before is not judged again, and what nobody judged is unknown", () => {
  const [own] = contractOn(icx, EMPTY_TEMPLATE);
  if (own === undefined) throw new Error("it boots");
  const asked: string[] = [];
  const outcome = simulateChange(kept(own), [{ kind: "remove", nodes: [clx.name] }], (_, key) => {
    asked.push(key);
    return { verdict: "incompatible", findings: [] };
  });
  expect(outcome.alreadyStranded).toEqual(["s0"]);
  expect(new Set(asked).size).toBe(2);
});

test("a node of which too little is known counts as one that cannot, and is told apart", () => {
  const [own] = contractOn(icx, EMPTY_TEMPLATE);
  if (own === undefined) throw new Error("it boots");
  const half = { ...icx, incomplete: ["MSRs were not read"] };
  const outcome = simulateChange(kept(own), [{ kind: "replace", nodes: icx.name, profile: half }]);
  expect(outcome).toMatchObject({ stranded: ["s0"], unknown: ["s0"] });
  const same = simulateChange(kept(own), [{ kind: "replace", nodes: icx.name, profile: icx }]);
  expect(same.stranded).toEqual([]);
});

test("what no node is called is refused, and so is a name twice", () => {
  const fleet = kept();
  expect(() => simulateChange(fleet, [{ kind: "remove", nodes: ["nobody"] }])).toThrow(
    /no node and no class is called "nobody"/,
  );
  expect(() => simulateChange(fleet, [{ kind: "add", nodes: [{ profile: icx }] }])).toThrow(
    /two nodes/,
  );
});

test("a plan for other nodes is compared with the one that runs", () => {
  const planOf = (...profiles: NodeProfile[]) => {
    const made = planPool(profiles);
    if (!made.ok) throw new Error("must plan");
    const document = readDocument(JSON.parse(JSON.stringify(planToJson(made.plan))), "");
    if (document.kind !== "plan") throw new Error("is a plan");
    return document.plan;
  };
  const [both, alone] = [planOf(clx, icx), planOf(icx)];
  const again = planAgain(both, [icx]);
  expect(again.gained).toContain("AVX512_VBMI2");
  expect(again).toMatchObject({ lost: [], unplanned: [], refusals: [] });
  expect(again.classesRemoved).toHaveLength(1);
  const back = replacePlan(alone, both, [clx, icx]);
  expect(back.lost).toEqual(again.gained);
  expect(replacePlan(both, alone, [clx, icx]).unplanned).toEqual([clx.name]);
  const mixed = planAgain(both, [icx, { ...clx, incomplete: ["half"] }]);
  expect(mixed.refusals.map(({ code }) => code)).toEqual(["incomplete"]);
});

test("what a node resumes by the plan that it applies is stranded with it, and saved by it", () => {
  const [rome, milan] = ["rome", "milan"].map((id) => ({
    ...requireCatalogueProfile(`${id}@6.1`),
    name: id,
    estimate: false,
    firecracker: [RELEASE],
  }));
  if (rome === undefined || milan === undefined) throw new Error("two nodes");
  const made = planPool([rome, milan], {
    identity: parseIdentity("oldest"),
    firecracker: ALL_LINES,
    accept: "insecure",
  });
  if (!made.ok) throw new Error("an operator accepted it");
  const document = readDocument(planToJson(made.plan), "");
  if (document.kind !== "plan") throw new Error("a plan");
  const planned = made.plan.classes.find(({ nodeClass }) => nodeClass.nodes.includes("rome"));
  const [guest] = contractOn(rome, planned?.template ?? EMPTY_TEMPLATE);
  if (guest === undefined || planned === undefined) throw new Error("it boots");
  const contract = { ...guest, plan: "p", class: planned.nodeClass.id };
  expect(judge(contract, milan).verdict).toBe("insecure");
  const fleetWith = (plan: string | undefined, holder: string): SimulatedFleet => ({
    nodes: [{ profile: rome, plan: "p" }, { profile: milan, plan }, { profile: clx }],
    contracts: new Map([["c", contract]]),
    snapshots: [{ id: "s", contract: "c", holders: [holder] }],
    plans: new Map([["p", document.plan]]),
  });
  const without = (
    name: string,
    fleet: SimulatedFleet,
    known?: Parameters<typeof simulateChange>[2],
  ) => simulateChange(fleet, [{ kind: "remove", nodes: [name] }], known).stranded;
  expect(without("rome", fleetWith("p", clx.name))).toEqual([]);
  expect(without("rome", fleetWith("another", clx.name))).toEqual(["s"]);
  const alone = fleetWith("p", clx.name);
  const left = { ...alone, nodes: alone.nodes.slice(1) };
  expect(without("milan", left)).toEqual(["s"]);
  // Verdicts that were made before are asked for by the plan, too.
  const known = (_: string, key: string, plan?: string) =>
    ({
      verdict: key === verdictKey(milan) && plan === "p" ? "compatible" : "incompatible",
      findings: [],
    }) as const;
  expect(without("milan", left, known)).toEqual(["s"]);
  expect(without(clx.name, { ...left, snapshots: [{ id: "s", contract: "c" }] }, known)).toEqual(
    [],
  );
});
