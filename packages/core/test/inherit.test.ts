/** Contracts of snapshots that are taken where a guest was brought to. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { inheritContract, judge, parseJson, predictContract, readProfile } from "../src/index.ts";
import type { NodeProfile } from "../src/index.ts";

function example(name: string): NodeProfile {
  const file = new URL(`../../../examples/bug-report-pool/${name}.json`, import.meta.url);
  return readProfile(parseJson(readFileSync(file, "utf8")), name);
}

const cascadeLake = example("xeon-silver-4216");
const iceLake = example("xeon-silver-4314");

function contractOf(profile: NodeProfile) {
  const options = { firecracker: "1.12.1", vcpus: 2, smt: false };
  const result = predictContract(profile, options);
  if (!result.ok) throw new Error("a guest without a template boots");
  return result.contract;
}

const origin = contractOf(cascadeLake);
const newer = { ...iceLake, host: { kernel: "6.18.1" } };
const taken = inheritContract(origin, newer, {
  firecracker: "1.14.1",
  time: "2026-11-24T00:00:00Z",
});

test("the guest CPU stays; the kernel and the format are the taker's", () => {
  expect(taken.cpuid).toEqual(origin.cpuid);
  expect(taken.node).toBe(origin.node);
  expect(taken).toMatchObject({ kernel: "6.18.1", firecracker: "1.14.1", snapshotFormat: "8.0.0" });
});

test("MSRs that only the taker's KVM lists are promised too, with the guest's own kept", () => {
  const added = { addr: 0x4b_56_4d_99, value: 7n };
  const cpu = { ...iceLake.cpu, msrs: [...iceLake.cpu.msrs, added] };
  const more = inheritContract(origin, { ...iceLake, cpu }, { firecracker: "1.14.1" });
  expect(more.msrs).toContainEqual(added);
  for (const own of origin.msrs) expect(more.msrs).toContainEqual(own);
  expect(more.msrs.map(({ addr }) => addr)).toEqual(
    more.msrs.map(({ addr }) => addr).toSorted((a, b) => a - b),
  );
});

test("back where it came from, the taker's newer kernel is not taken for tested", () => {
  const back = judge(taken, cascadeLake, "1.14.1");
  expect(back.findings).toContainEqual(
    expect.objectContaining({ rule: "kernel", severity: "unknown" }),
  );
});

test("what was not known of the taker is not known of the snapshot", () => {
  const blind = { ...iceLake, incomplete: ["MSRs were not read"] };
  const unsure = inheritContract(origin, blind, { firecracker: "1.14.1" });
  expect(judge(unsure, cascadeLake, "1.14.1").verdict).toBe("unknown");
});
