import { describe, expect, test } from "vitest";
import { CATALOGUE, catalogueProfile } from "../src/catalogue/index.ts";
import { CATALOGUE_KERNELS } from "../src/tables/kernels.ts";
import { decode } from "../src/inspect/decode.ts";
import { stateOfCpu } from "../src/profile/state.ts";
import { armRegisterName, describesCpu, isCacheGeometry } from "../src/tables/arm/lookup.ts";
import { planPool } from "../src/plan/pools.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readDocument } from "../src/read/document.ts";
import { parseJson } from "../src/json/parse.ts";
import { formatProfile } from "../src/profile/file.ts";
import { judgePrepared } from "../src/verdict/judge.ts";
import { prepare } from "../src/verdict/prepare.ts";
import { naiveGuest } from "./naive.ts";
import { naiveUnsafe } from "./naive-verdict.ts";
import { fingerprint, hasSharedData, loadFingerprint, sharedFiles } from "./shared-data.ts";
import { promised } from "./verdict-support.ts";

function estimate(id: string, kernel?: string): NodeProfile {
  const profile = catalogueProfile(id, kernel);
  if (profile === undefined) throw new Error(`the catalogue lacks ${id}@${kernel}`);
  return profile;
}

/** Names of the bits that are set: features and weaknesses. */
function bitsOf({ cpu }: NodeProfile): Set<string> {
  const state = stateOfCpu(cpu);
  const fields = state === undefined ? [] : decode(state);
  const set = fields.filter(
    ({ kind, value }) => (kind === "feature" || kind === "union") && value !== 0n,
  );
  return new Set(set.map(({ name }) => name));
}

const everyEstimate = CATALOGUE.filter(({ vendor }) => vendor !== "arm").flatMap(({ id }) =>
  CATALOGUE_KERNELS.map((kernel) => [id, kernel] as const),
);

test.each(["graviton2", "graviton3", "graviton4"])(
  "%s gives up nothing when planned alone",
  (id) => {
    for (const kernel of CATALOGUE_KERNELS) {
      const result = planPool([estimate(id, kernel)]);
      const plan = result.ok ? result.plan : undefined;
      expect(plan?.classes.map(({ givesUp }) => givesUp)).toEqual([[]]);
      expect(plan?.warnings.join()).toContain("is an estimate, not a measurement");
    }
  },
);

test.each(everyEstimate)("%s on Linux %s gives up nothing when planned alone", (id, kernel) => {
  const result = planPool([estimate(id, kernel)]);
  const plan = result.ok ? result.plan : undefined;
  expect(plan?.classes.map(({ givesUp }) => givesUp)).toEqual([[]]);
  expect(plan?.classes.map(({ nodeClass }) => nodeClass.model.name)).toEqual([
    CATALOGUE.find((entry) => entry.id === id)?.name,
  ]);
  expect(plan?.warnings.join()).toContain("is an estimate, not a measurement");
});

test("an estimate stays one through its file", () => {
  const profile = estimate("turin");
  const document = readDocument(parseJson(formatProfile(profile)), "other");
  expect(document).toEqual({ kind: "profile", profile });
});

test("a newer kernel shows more, and on Milan also less", () => {
  const lost = (id: string) => {
    const newest = bitsOf(estimate(id, "6.18"));
    return [...bitsOf(estimate(id, "6.1"))].filter((name) => !newest.has(name));
  };
  expect(lost("sapphire-rapids")).toEqual([]);
  expect(lost("milan")).toEqual(["SPEC_CTRL"]);
});

test("what is not in the catalogue is undefined", () => {
  expect(catalogueProfile("pentium")).toBeUndefined();
  expect(catalogueProfile("milan", "4.14")).toBeUndefined();
});

/** Error bits by model: what the estimate says and the machine does not, and the reverse. */
const MEASURED: readonly (readonly [
  id: string,
  kernel: string,
  name: string,
  tooMany: readonly string[],
  tooFew: readonly string[],
])[] = [
  ["cascade-lake", "5.10", "INTEL_CASCADELAKE_5.10", [], []],
  ["cascade-lake", "6.1", "INTEL_CASCADELAKE_6.1", [], []],
  ["ice-lake-sp", "6.1", "INTEL_ICELAKE_6.1", [], []],
  ["sapphire-rapids", "6.1", "INTEL_SAPPHIRE_RAPIDS_6.1", [], []],
  // Zen 3 has both; this machine's firmware switches them off.
  ["milan", "6.1", "AMD_MILAN_6.1", ["ERMS", "FSRM"], []],
  ["genoa", "6.1", "AMD_GENOA_6.1", [], []],
];

describe.skipIf(!hasSharedData)("estimates against real fingerprints", () => {
  test.each(MEASURED)("%s on Linux %s", (id, kernel, name, tooMany, tooFew) => {
    const guess = bitsOf(estimate(id, kernel));
    const real = bitsOf(fingerprint(name));
    expect([...guess].filter((bit) => !real.has(bit))).toEqual(tooMany);
    expect([...real].filter((bit) => !guess.has(bit))).toEqual(tooFew);
    expect(tooMany.length + tooFew.length).toBeLessThanOrEqual(2);
  });
});

/** Registers that describe the CPU where an estimate and a guest's fingerprint differ. */
function armErrors(id: string, node: NodeProfile): string[] {
  const real = new Map(node.cpu.registers.map((r) => [r.id, r.value]));
  const guess = new Map(estimate(id).cpu.registers.map((r) => [r.id, r.value]));
  return [...new Set([...real.keys(), ...guess.keys()])]
    .filter((register) => describesCpu(register) || isCacheGeometry(register))
    .filter((register) => real.get(register) !== guess.get(register))
    .map((register) => armRegisterName(register));
}

// Some of the values come from these very fingerprints, as the catalogue says: that every register
// is there and no other is what this shows of the rest.
test.skipIf(!hasSharedData)("aarch64 estimates are what was published", () => {
  expect(armErrors("graviton2", fingerprint("ARM_NEOVERSE_N1_6.1"))).toEqual([]);
  expect(armErrors("graviton3", fingerprint("ARM_NEOVERSE_V1_6.1"))).toEqual([]);
  const v2 = sharedFiles("fingerprints/history").find((file) => file.includes("V2_6.1__03"));
  expect(armErrors("graviton4", loadFingerprint(v2 ?? ""))).toEqual([]);
});

test("pairs of all models and kernels: compatible only where the second opinion agrees", () => {
  // As if they had been measured, and on one kernel, so that the CPUs alone are judged.
  const facts = { estimate: false, host: { kernel: "6.1" }, firecracker: ["1.14.1"] };
  const nodes = everyEstimate.map(([id, kernel]) => ({ ...estimate(id, kernel), ...facts }));
  let compatible = 0;
  for (const vendor of ["intel", "amd"] as const) {
    const contracts = nodes.map((from) => promised(from)).filter((c) => c.vendor === vendor);
    const bench = prepare(vendor, contracts, nodes);
    for (const guest of bench.contracts) {
      for (const node of bench.nodes) {
        if (judgePrepared(bench, guest, node).verdict !== "compatible") continue;
        compatible++;
        const seen = { ...node.profile, cpu: { ...node.profile.cpu, ...guest.contract } };
        const unsafe = naiveUnsafe(naiveGuest(seen), naiveGuest(node.profile));
        expect([guest.contract.node, node.profile.name, unsafe]).toEqual([
          guest.contract.node,
          node.profile.name,
          [],
        ]);
      }
    }
  }
  // Each with itself, and newer kernels of the same model among others.
  expect(compatible).toBeGreaterThan(nodes.length);
});
