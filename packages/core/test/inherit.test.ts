/** Contracts of snapshots that are taken where a guest was brought to. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { inheritContract } from "../src/contract/inherit.ts";
import { judge } from "../src/verdict/judge.ts";
import { parseJson } from "../src/json/parse.ts";
import { predictContract } from "../src/contract/make.ts";
import { readProfile } from "../src/read/document.ts";
import type { NodeProfile } from "../src/profile/profile.ts";

function example(name: string): NodeProfile {
  const file = new URL(`../../../examples/bug-report-pool/${name}.json`, import.meta.url);
  return readProfile(parseJson(readFileSync(file, "utf8")), name);
}

const cascadeLake = example("xeon-silver-4216");
const iceLake = example("xeon-silver-4314");

function contractOf(profile: NodeProfile, firecracker = "1.14.1") {
  const options = { firecracker, vcpus: 2, smt: false };
  const result = predictContract(profile, options);
  if (!result.ok) throw new Error("a guest without a template boots");
  return result.contract;
}

const origin = contractOf(cascadeLake, "1.12.1");
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

test("a move back to the origin's older kernel is not taken for tested", () => {
  const back = judge(taken, cascadeLake, "1.14.1");
  expect(back.findings).toContainEqual(
    expect.objectContaining({ rule: "kernel", severity: "unknown" }),
  );
});

/** Judged where nothing but what the test is about differs. */
function judged(contract: ReturnType<typeof contractOf>, node: NodeProfile) {
  return judge(contract, node, "1.14.1");
}

const enforcing = { apiVersion: 12, capabilities: new Map(), featureMsrs: [], unreadableMsrs: [] };
const home = { ...cascadeLake, host: { kernel: "6.1.1" } };
const fromHome = contractOf(home);
const pauseOn = (taker: NodeProfile, contract = fromHome) =>
  inheritContract(contract, taker, { firecracker: "1.14.1" });

test("a guest that was paused on an equal node may return", () => {
  expect(judged(pauseOn(home), home).verdict).toBe("compatible");
});

test.each([
  [
    "ignores CPU templates",
    { kvm: { ...enforcing, enforcement: { enforced: false, changed: [] } } },
  ],
  ["is an estimate", { estimate: true }],
  [
    "lacks a leaf",
    { cpu: { ...home.cpu, cpuid: home.cpu.cpuid.filter(({ leaf }) => leaf !== 7) } },
  ],
  ["is of no known vendor", { cpu: { ...home.cpu, cpuid: [] } }],
])("paused on a node that %s, it is unknown everywhere, however often it moves", (_, doubtful) => {
  const there = pauseOn({ ...home, ...doubtful });
  expect(judged(there, home).verdict).toBe("unknown");
  expect(judged(pauseOn(home, there), home).verdict).toBe("unknown");
});

test("an untested move between host kernels stays a doubt", () => {
  const odd = { ...home, host: { kernel: "5.4.0" } };
  const there = pauseOn(odd);
  expect(judged(there, odd).verdict).toBe("unknown");
  expect(there.incomplete.join()).toContain("from host kernel 6.1.1 to 5.4.0 on xeon-silver-4216");
  // One step up is tested.
  const next = { ...home, host: { kernel: "6.18.1" } };
  expect(judged(pauseOn(next), next).verdict).toBe("compatible");
});

const clocked = (khz: number, scaling?: boolean): NodeProfile => ({
  ...home,
  tsc: scaling === undefined ? { khz } : { khz, scaling },
});
const at3GHz = contractOf(clocked(3_000_000));

test("within Firecracker's tolerance a guest's TSC becomes the taker's", () => {
  const there = pauseOn(clocked(3_000_700, false), at3GHz);
  expect(there.tscKhz).toBe(3_000_700);
  expect(judged(at3GHz, clocked(2_999_300, false)).verdict).toBe("compatible");
  const { verdict, findings } = judged(there, clocked(2_999_300, false));
  expect(verdict).toBe("incompatible");
  expect(findings).toContainEqual(
    expect.objectContaining({ rule: "tsc", promised: "3000700 kHz" }),
  );
});

test("a scaled TSC keeps its frequency; without known scaling it is unknown", () => {
  expect(pauseOn(clocked(2_500_000, true), at3GHz).tscKhz).toBe(3_000_000);
  for (const taker of [clocked(2_500_000), clocked(2_500_000, false), home]) {
    const there = pauseOn(taker, at3GHz);
    expect(there.tscKhz).toBeUndefined();
    expect(judged(there, clocked(2_500_000, false)).verdict).toBe("unknown");
  }
});

test("weaknesses that only the taker announces were never told to the guest", () => {
  const ARCH_CAPABILITIES = 0x10a;
  const RRSBA = 1n << 19n;
  const plain = {
    ...home.cpu,
    cpuid: home.cpu.cpuid.map((entry) =>
      entry.leaf === 7 && entry.subleaf === 0
        ? { ...entry, edx: (entry.edx & ~(1 << 29)) >>> 0 }
        : entry,
    ),
    msrs: home.cpu.msrs.filter(({ addr }) => addr !== ARCH_CAPABILITIES),
  };
  const told = home.cpu.msrs.filter(({ addr }) => addr !== ARCH_CAPABILITIES);
  const weak = {
    ...home,
    cpu: { ...home.cpu, msrs: [...told, { addr: ARCH_CAPABILITIES, value: RRSBA }] },
  };
  const untold = contractOf({ ...home, cpu: plain });
  expect(judged(untold, weak).verdict).toBe("insecure");
  const there = pauseOn(weak, untold);
  expect(there.msrs).toContainEqual({ addr: ARCH_CAPABILITIES, value: 0n });
  expect(judged(there, weak).verdict).toBe("insecure");
});

test("what was not known of the taker is not known of the snapshot", () => {
  const blind = { ...iceLake, incomplete: ["MSRs were not read"] };
  const unsure = inheritContract(origin, blind, { firecracker: "1.14.1" });
  expect(judge(unsure, cascadeLake, "1.14.1").verdict).toBe("unknown");
});
