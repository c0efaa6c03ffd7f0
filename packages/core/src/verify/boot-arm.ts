/**
 * What Firecracker writes into an aarch64 vCPU's registers before its first instruction, and what
 * came of it. Source: `configure` in src/vmm/src/arch/aarch64/vcpu.rs, v1.5.0 to v1.16.0: the
 * template's registers, applied to what the vCPU has, each by KVM_SET_ONE_REG.
 */
import type { ArmGuest } from "../plan/arm/guest.ts";
import { armFields, armRegisterName } from "../tables/arm/lookup.ts";
import { armValue } from "../tables/arm/value.ts";
import { armAddress } from "../format/address.ts";
import type { ArmRegister } from "../cpuid.ts";
import { missingCapabilities } from "../firecracker/capabilities.ts";
import { hexNumber } from "../format/address.ts";
import { applyWideBitmap } from "../template/bitmap.ts";
import type { CpuTemplate } from "../template/template.ts";
import type { Mismatch, MismatchOwner } from "./mismatch.ts";

export interface ArmBootRequest {
  readonly template: CpuTemplate;
  /** Registers of the template with the values they are given, in its order. */
  readonly registers: readonly ArmRegister[];
  /** Registers of the template that the vCPU does not have. */
  readonly missing: readonly bigint[];
}

export interface ArmBootAnswer {
  readonly capabilities: ReadonlyMap<number, number>;
  /** Registers that KVM refused, with its error in words. */
  readonly refused: ReadonlyMap<bigint, string>;
  /** Every register of the vCPU, read back. */
  readonly registers: readonly ArmRegister[];
}

/** `own`: the registers of the vCPU as KVM initialized it. */
export function armBootRequest(own: readonly ArmRegister[], template: CpuTemplate): ArmBootRequest {
  const values = new Map(own.map(({ id, value }) => [id, value]));
  const known = template.regModifiers.filter(({ addr }) => values.has(addr));
  return {
    template,
    registers: known.map((modifier) => ({
      id: modifier.addr,
      value: applyWideBitmap(values.get(modifier.addr) ?? 0n, modifier),
    })),
    missing: template.regModifiers.flatMap(({ addr }) => (values.has(addr) ? [] : addr)),
  };
}

function mismatch(
  owner: MismatchOwner,
  id: bigint,
  message: string,
  values: { expected?: bigint | undefined; actual?: bigint | undefined } = {},
): Mismatch {
  const text = (value: bigint | undefined) => (value === undefined ? undefined : hexNumber(value));
  const { expected, actual } = values;
  const address = armRegisterName(id);
  return { owner, address, name: "", expected: text(expected), actual: text(actual), message };
}

/** A register field by field, so that a person reads names. */
function fieldMismatches(
  owner: MismatchOwner,
  id: bigint,
  mask: bigint,
  values: { expected: bigint; actual: bigint },
  message: string,
): Mismatch[] {
  const { expected, actual } = values;
  const changed = (expected ^ actual) & mask;
  if (changed === 0n) return [];
  const fields = armFields(id).filter((field) => armValue(changed, field) !== 0n);
  if (fields.length === 0) return [mismatch(owner, id, message, values)];
  return fields.map((field) => ({
    owner,
    address: armAddress(field),
    name: field.name,
    expected: hexNumber(armValue(expected, field)),
    actual: hexNumber(armValue(actual, field)),
    message,
  }));
}

const ALL = 2n ** 128n - 1n;

/** Everything that differs between a template and what the vCPU answered; sorted by owner. */
export function compareArmBoot(request: ArmBootRequest, answer: ArmBootAnswer): Mismatch[] {
  const { template, registers, missing } = request;
  const capabilities = missingCapabilities(
    "aarch64",
    template.kvmCapabilities,
    answer.capabilities,
  ).map(({ number, name }): Mismatch => {
    const message = `Missing KVM capabilities: 0x${number.toString(16)}`;
    const address = `KVM capability ${number}`;
    return { owner: "absent", address, name, expected: undefined, actual: undefined, message };
  });
  const absent = missing.map((id) =>
    mismatch("absent", id, "The vCPU has no such register; Firecracker does not start."),
  );
  const after = new Map(answer.registers.map(({ id, value }) => [id, value]));
  const written = registers.flatMap(({ id, value }) => {
    const actual = after.get(id) ?? 0n;
    const why = answer.refused.get(id);
    const values = { expected: value, actual };
    if (why !== undefined) {
      const message = `KVM does not take it (${why}); Firecracker does not start.`;
      const fields = fieldMismatches("refused", id, ALL, values, message);
      return fields.length > 0 ? fields : [mismatch("refused", id, message, values)];
    }
    const message = "KVM took it without an error and answers something else.";
    return fieldMismatches("kvm", id, ALL, values, message);
  });
  return [...capabilities, ...absent, ...written];
}

/** {@link compareArmBoot} for the template of a plan: the vCPU has to be the planned guest. */
export function compareArmPlanned(
  guest: ArmGuest,
  request: ArmBootRequest,
  answer: ArmBootAnswer,
): Mismatch[] {
  const found = compareArmBoot(request, answer);
  const known = new Set(found.map(({ address }) => address));
  const after = new Map(answer.registers.map(({ id, value }) => [id, value]));
  const message =
    "The node no longer offers what it was planned with: plan the pool again with its profile.";
  const planned = guest.registers.flatMap(({ id, mask, value }) => {
    const actual = after.get(id);
    // A register that only other classes have; the plan's warnings name it.
    if (actual === undefined) return [];
    const values = { expected: value, actual: actual & mask };
    return fieldMismatches("plan", id, mask, values, message);
  });
  return [...found, ...planned.filter(({ address }) => !known.has(address))];
}
