/** Where a guest's CPU would not be what its template or plan says, and whose doing it is. */
import { readField } from "../bits.ts";
import { indexEntries } from "../cpuid.ts";
import { lackingCapabilities, neededCapabilities } from "../firecracker/capabilities.ts";
import { fieldAddress, hexNumber, registerName } from "../format/address.ts";
import { diffCpus, type Difference } from "../inspect/diff.ts";
import type { CpuState } from "../profile/state.ts";
import type { CpuType } from "../tables/field.ts";
import { registerFields, type RegisterId } from "../tables/registers.ts";
import { missingAddress, type MissingEntry } from "../template/apply.ts";
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

const NO_VALUES = { expected: undefined, actual: undefined };

/** In Firecracker's words. Source: `CpuConfigurationError` in src/vmm/src/cpu_config/x86_64/mod.rs. */
function absentMessage(missing: MissingEntry): string {
  if (missing.kind === "cpuid") {
    const place = `Leaf: ${hex(missing.leaf)}, Subleaf: ${hex(missing.subleaf)}`;
    return `Template changes a CPUID entry not supported by KVM: ${place}`;
  }
  return typeof missing.id === "number"
    ? `Template changes an MSR entry not supported by KVM: Register Address: ${hex(missing.id)}`
    : "The vCPU has no such register; the microVM does not start.";
}

function absentEntries({ view, type }: BootRequest): Mismatch[] {
  return view.missing.map((missing) => {
    const name = missing.kind === "register" ? registerNameOf(type, missing.id) : "";
    const [address, message] = [missingAddress(missing), absentMessage(missing)];
    return { owner: "absent", address, name, ...NO_VALUES, message };
  });
}

/** In Firecracker's words. Source: `KvmError` in src/vmm/src/vstate/kvm.rs. */
function absentCapabilities({ template, offered }: BootRequest, answer: BootAnswer): Mismatch[] {
  const needed = neededCapabilities(offered.arch, template.kvmCapabilities);
  return lackingCapabilities(needed, answer.capabilities).map(({ number, name }) => {
    const message = `Missing KVM capabilities: 0x${hex(number)}`;
    return { owner: "absent", address: `KVM capability ${number}`, name, ...NO_VALUES, message };
  });
}

function registerNameOf(type: CpuType, id: RegisterId): string {
  const fields = typeof id === "number" ? registerFields(type, id) : [];
  return fields.length === 1 ? (fields[0]?.name ?? "") : "";
}

/** A register that is not as it should be; one of aarch64's field by field, where rows name them. */
export function registerMismatches(
  type: CpuType,
  id: RegisterId,
  values: { readonly expected: bigint; readonly actual: bigint | undefined },
  { owner, message }: Pick<Mismatch, "owner" | "message">,
): Mismatch[] {
  const { expected, actual = 0n } = values;
  const fields = typeof id === "number" ? [] : registerFields(type, id);
  const changed = fields.filter((field) => readField(expected ^ actual, field) !== 0n);
  const of = (address: string, name: string, want: bigint, have?: bigint): Mismatch => {
    const texts = {
      expected: hexNumber(want),
      actual: have === undefined ? undefined : hexNumber(have),
    };
    return { owner, address, name, ...texts, message };
  };
  if (changed.length === 0) {
    return [of(registerName(id), registerNameOf(type, id), expected, values.actual)];
  }
  return changed.map((field) =>
    of(fieldAddress(field), field.name, readField(expected, field), readField(actual, field)),
  );
}

function fromDifference(owner: MismatchOwner, message: string) {
  return ({ address, name, a: expected = "0", b: actual = "0" }: Difference): Mismatch => {
    return { owner, address, name, expected, actual, message };
  };
}

function stateOf(type: CpuType, cpuid: CpuState["cpuid"]): CpuState {
  return { type, cpuid, registers: new Map() };
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
  const { type, view, template, registers } = request;
  const message = "Firecracker overwrites it whatever the template says.";
  const cpuid = diffCpus(stateOf(type, meant(request)), stateOf(type, view.cpuid));
  const given = new Map(registers.map(({ id, value }) => [id, value]));
  const boot = template.msrModifiers.flatMap(({ addr, ...bitmap }): Mismatch[] => {
    const actual = given.get(addr);
    if (actual === undefined) return [];
    const expected = applyWideBitmap(actual, bitmap);
    if (expected === actual) return [];
    return registerMismatches(type, addr, { expected, actual }, { owner: "firecracker", message });
  });
  return [...cpuid.map(fromDifference("firecracker", message)), ...boot];
}

const SILENT = "KVM accepted it without an error but returns another value.";

function changedByKvm({ type, view }: BootRequest, answer: BootAnswer): Mismatch[] {
  return diffCpus(stateOf(type, view.cpuid), stateOf(type, indexEntries(answer.cpuid)))
    .filter((difference) => !followsState(difference))
    .map(fromDifference("kvm", SILENT));
}

function registersByKvm({ type, registers }: BootRequest, answer: BootAnswer): Mismatch[] {
  return registers.flatMap(({ id, value }): Mismatch[] => {
    const why = answer.refused.get(id);
    const actual = answer.registers.get(id);
    const values = { expected: value, actual };
    if (why !== undefined) {
      const what = why === "" ? "this MSR" : `it (${why})`;
      const message = `KVM does not take ${what}; Firecracker does not start.`;
      return registerMismatches(type, id, values, { owner: "refused", message });
    }
    if (actual === value || runsOn(id)) return [];
    return registerMismatches(type, id, values, { owner: "kvm", message: SILENT });
  });
}

function refusedCpuid(error: string): Mismatch {
  const message = `KVM refuses this CPUID (${error}); the microVM does not start.`;
  return { owner: "refused", address: "CPUID", name: "", ...NO_VALUES, message };
}

/** Everything that differs between a template and what the vCPU answered; sorted by owner. */
export function compareBoot(request: BootRequest, answer: BootAnswer): Mismatch[] {
  const before = [
    ...absentCapabilities(request, answer),
    ...absentEntries(request),
    ...overwritten(request),
  ];
  if (answer.error !== undefined) return [...before, refusedCpuid(answer.error)];
  return [...before, ...changedByKvm(request, answer), ...registersByKvm(request, answer)];
}
