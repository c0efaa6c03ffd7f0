/**
 * Which values this KVM accepts for the registers that describe a CPU. This decides about templates
 * at boot and about snapshots at restore, and a kernel's version does not tell it for certain.
 */
import { armTrials, type ArmRegister, type TakenField } from "@evenkeel/core";
import { readArmRegister, restoreArmRegister, withArmVcpu, writeArmRegister } from "./arm.ts";
import type { KvmHandle } from "./device.ts";

type Trial = ReturnType<typeof armTrials>[number];

function fieldMask({ hi, lo }: Trial): bigint {
  return ((1n << BigInt(hi - lo + 1)) - 1n) << BigInt(lo);
}

/** Tries each value alone, and restores the register after each one that was accepted. */
function tryField(vcpu: KvmHandle, trial: Trial, own: bigint): TakenField {
  const { id, hi, lo } = trial;
  const mask = fieldMask(trial);
  const values: bigint[] = [];
  const ignored: bigint[] = [];
  for (const value of trial.values) {
    const asked = (own & ~mask) | ((value << BigInt(lo)) & mask);
    if (writeArmRegister(vcpu, { id, value: asked }) !== undefined) continue;
    const isKept = readArmRegister(vcpu, id) === asked;
    (isKept ? values : ignored).push(value);
    restoreArmRegister(vcpu, { id, value: own });
  }
  return { id, hi, lo, values, ignored };
}

/** On its own vCPU; `registers`: its initial values. Throws KVM_FAILED. */
export function tryWrites(kvm: KvmHandle, registers: readonly ArmRegister[]): TakenField[] {
  const own = new Map(registers.map(({ id, value }) => [id, value]));
  return withArmVcpu(kvm, (vcpu) =>
    armTrials(registers)
      .map((trial) => tryField(vcpu, trial, own.get(trial.id) ?? 0n))
      .filter(({ values, ignored }) => values.length + ignored.length > 0),
  );
}
