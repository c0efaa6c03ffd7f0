/** A matrix draws nodes as one entry only where no verdict tells them apart. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { predictContract } from "../src/contract/make.ts";
import type { KvmFacts } from "../src/profile/kvm-facts.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { matrixEntries, verdictKey } from "../src/verdict/entries.ts";
import { judgePrepared } from "../src/verdict/judge.ts";
import { prepare } from "../src/verdict/prepare.ts";
import { modelCpu, node } from "./arbitrary.ts";

const CPUS = [
  modelCpu("cascade-lake"),
  modelCpu("ice-lake-sp"),
  modelCpu("ice-lake-sp", ["FSRM", "GFNI"]),
];

function kvmFacts(numbers: readonly number[], enforced: boolean | undefined): KvmFacts {
  return {
    apiVersion: 12,
    capabilities: new Map(numbers.map((number) => [number, 1])),
    featureMsrs: [],
    unreadableMsrs: [],
    ...(enforced === undefined ? {} : { enforcement: { enforced, changed: [] } }),
  };
}

/** Everything of a node that is not its CPU, varied. */
const profile = fc
  .record({
    cpu: fc.constantFrom(...CPUS),
    kernel: fc.constantFrom(undefined, "5.10.9", "6.1.1", "6.1.200", "6.18.3"),
    firecracker: fc.subarray(["1.12.1", "1.14.1", "1.16.0-dev"]),
    tsc: fc.constantFrom(
      undefined,
      { khz: 2_500_000 },
      { khz: 2_500_000, scaling: true },
      { khz: 3_000_000, scaling: false },
    ),
    capabilities: fc.constantFrom(undefined, [], [171], [55, 56]),
    enforced: fc.constantFrom(undefined, true, false),
    incomplete: fc.subarray(["MSR 10AH was not read"]),
    estimate: fc.boolean(),
  })
  .map(({ cpu, kernel, firecracker, tsc, capabilities, enforced, incomplete, estimate }) => ({
    ...node("", cpu),
    host: kernel === undefined ? {} : { kernel },
    firecracker,
    ...(tsc === undefined ? {} : { tsc }),
    ...(capabilities === undefined ? {} : { kvm: kvmFacts(capabilities, enforced) }),
    incomplete,
    estimate,
  }));

const pool = fc
  .array(profile, { minLength: 4, maxLength: 12 })
  .map((all) => all.map((one, i): NodeProfile => ({ ...one, name: `n${i}` })));

function contractOf(from: NodeProfile) {
  const result = predictContract(from, { firecracker: "1.14.1", vcpus: 1, smt: false });
  if (!result.ok) throw new Error("boots");
  return result.contract;
}

test("nodes of one entry get the same verdict for every contract", () => {
  fc.assert(
    fc.property(pool, (nodes) => {
      const bench = prepare("intel", nodes.map(contractOf), nodes);
      for (const entry of matrixEntries(nodes, contractOf)) {
        const members = bench.nodes.filter(({ profile: p }) => entry.nodes.includes(p.name));
        for (const guest of bench.contracts) {
          const verdicts = members.map((member) => judgePrepared(bench, guest, member).verdict);
          expect([...new Set(verdicts)]).toHaveLength(1);
        }
      }
    }),
    { numRuns: 25 },
  );
});

test("nodes have one verdict key exactly where they are one entry", () => {
  fc.assert(
    fc.property(pool, (nodes) => {
      const entries = matrixEntries(nodes, contractOf);
      const keys = nodes.map((one) => verdictKey(one));
      const entryOf = nodes.map(({ name }) => entries.findIndex((e) => e.nodes.includes(name)));
      for (const [i, key] of keys.entries()) {
        const alike = keys.map((other) => other === key);
        expect(alike).toEqual(entryOf.map((entry) => entry === entryOf[i]));
      }
    }),
    { numRuns: 25 },
  );
});
