/** Where a guest's CPU would not be what its template or plan says, and whose doing it is. */
import { indexEntries } from "../cpuid.ts";
import { missingCapabilities } from "../firecracker/capabilities.ts";
import { leafAddress, msrAddress } from "../format/address.ts";
import type { CpuState } from "../inspect/decode.ts";
import { diffCpus, type Difference } from "../inspect/diff.ts";
import { msrFields } from "../tables/lookup.ts";
import type { Vendor } from "../tables/field.ts";
import { applyBitmap32, applyWideBitmap } from "../template/bitmap.ts";
import { runsOn } from "../firecracker/boot-msrs.ts";
import type { BootAnswer, BootRequest } from "./boot.ts";
import { followsState } from "./read-back.ts";

/**
 * - `absent`: the template names what the node's KVM does not have; Firecracker does not start
 * - `firecracker`: Firecracker overwrites what the template says
 * - `kvm`: KVM took it and answers something else
 * - `refused`: KVM does not take the MSR, or the CPUID as a whole
 * - `plan`: all of that is right, but the node's guest is not the planned one
 */
export type MismatchOwner = "absent" | "firecracker" | "kvm" | "refused" | "plan";

export interface Mismatch {
  readonly owner: MismatchOwner;
  readonly address: string;
  readonly name: string;
  /** What was to be, as text; undefined where the template cannot be applied. */
  readonly expected: string | undefined;
  readonly actual: string | undefined;
  readonly message: string;
}

const hex = (value: number) => value.toString(16);

/** In Firecracker's words. Source: `CpuConfigurationError` in src/vmm/src/cpu_config/x86_64/mod.rs. */
function absentEntries({ view, vendor }: BootRequest): Mismatch[] {
  return view.missing.map((missing) => {
    const isMsr = missing.kind === "msr";
    return {
      owner: "absent",
      address: isMsr ? msrAddress(missing.addr) : leafAddress(missing.leaf, missing.subleaf),
      name: isMsr ? msrName(vendor, missing.addr) : "",
      expected: undefined,
      actual: undefined,
      message: isMsr
        ? `Template changes an MSR entry not supported by KVM: Register Address: ${hex(missing.addr)}`
        : "Template changes a CPUID entry not supported by KVM: " +
          `Leaf: ${hex(missing.leaf)}, Subleaf: ${hex(missing.subleaf)}`,
    };
  });
}

/** In Firecracker's words. Source: `KvmError` in src/vmm/src/vstate/kvm.rs. */
function absentCapabilities({ template }: BootRequest, answer: BootAnswer): Mismatch[] {
  const { kvmCapabilities } = template;
  return missingCapabilities("x86_64", kvmCapabilities, answer.capabilities).map(
    ({ number, name }) => ({
      owner: "absent",
      address: `KVM capability ${number}`,
      name,
      expected: undefined,
      actual: undefined,
      message: `Missing KVM capabilities: 0x${hex(number)}`,
    }),
  );
}

function msrName(vendor: Vendor, addr: number): string {
  const fields = msrFields(vendor, addr);
  return fields.length === 1 ? (fields[0]?.name ?? "") : "";
}

function fromDifference(owner: MismatchOwner, message: string) {
  return ({ address, name, a, b }: Difference): Mismatch => ({
    owner,
    address,
    name,
    expected: a ?? "0",
    actual: b ?? "0",
    message,
  });
}

function stateOf(vendor: Vendor, cpuid: CpuState["cpuid"]): CpuState {
  return { vendor, cpuid, msrs: new Map() };
}

/** The guest after normalization, with the template put on top again: what was meant. */
function meant({ template, view }: BootRequest): CpuState["cpuid"] {
  const entries = [...view.cpuid.values()].map((entry) => {
    const modifier = template.cpuidModifiers.find(
      ({ leaf, subleaf }) => leaf === entry.leaf && subleaf === entry.subleaf,
    );
    const word = { ...entry };
    for (const m of modifier?.modifiers ?? [])
      word[m.register] = applyBitmap32(word[m.register], m);
    return word;
  });
  return indexEntries(entries);
}

function overwritten(request: BootRequest): Mismatch[] {
  const { vendor, view, template, msrs } = request;
  const message = "Firecracker overwrites it, whatever the template says.";
  const cpuid = diffCpus(stateOf(vendor, meant(request)), stateOf(vendor, view.cpuid));
  const given = new Map(msrs.map(({ addr, value }) => [addr, value]));
  const boot = template.msrModifiers.flatMap((modifier): Mismatch[] => {
    const { addr } = modifier;
    const actual = given.get(addr);
    if (actual === undefined) return [];
    const expected = applyWideBitmap(actual, modifier);
    return expected === actual
      ? []
      : [msrMismatch("firecracker", vendor, addr, expected, actual, message)];
  });
  return [...cpuid.map(fromDifference("firecracker", message)), ...boot];
}

function msrMismatch(
  owner: MismatchOwner,
  vendor: Vendor,
  addr: number,
  expected: bigint,
  actual: bigint | undefined,
  message: string,
): Mismatch {
  return {
    owner,
    address: msrAddress(addr),
    name: msrName(vendor, addr),
    expected: `0x${expected.toString(16)}`,
    actual: actual === undefined ? undefined : `0x${actual.toString(16)}`,
    message,
  };
}

function changedByKvm({ vendor, view }: BootRequest, answer: BootAnswer): Mismatch[] {
  const message = "KVM took it without an error and answers something else.";
  return diffCpus(stateOf(vendor, view.cpuid), stateOf(vendor, indexEntries(answer.cpuid)))
    .filter((difference) => !followsState(difference))
    .map(fromDifference("kvm", message));
}

function msrsByKvm({ vendor, msrs }: BootRequest, answer: BootAnswer): Mismatch[] {
  const refused = new Set(answer.refused);
  return msrs.flatMap(({ addr, value }): Mismatch[] => {
    if (refused.has(addr)) {
      const message = "KVM does not take this MSR; Firecracker does not start.";
      return [msrMismatch("refused", vendor, addr, value, answer.msrs.get(addr), message)];
    }
    const actual = answer.msrs.get(addr);
    if (actual === value || runsOn(addr)) return [];
    const message = "KVM took it without an error and answers something else.";
    return [msrMismatch("kvm", vendor, addr, value, actual, message)];
  });
}

function refusedCpuid(error: string): Mismatch {
  const message = `KVM does not take this CPUID (${error}); Firecracker does not start.`;
  const values = { expected: undefined, actual: undefined };
  return { owner: "refused", address: "CPUID", name: "", ...values, message };
}

/** Everything that differs between a template and what the vCPU answered; sorted by owner. */
export function compareBoot(request: BootRequest, answer: BootAnswer): Mismatch[] {
  const before = [
    ...absentCapabilities(request, answer),
    ...absentEntries(request),
    ...overwritten(request),
  ];
  if (answer.error !== undefined) return [...before, refusedCpuid(answer.error)];
  return [...before, ...changedByKvm(request, answer), ...msrsByKvm(request, answer)];
}
