/**
 * Firecracker's boot on aarch64 without Firecracker: a real vCPU is given what a template says, and
 * is asked what became of it.
 */
import {
  armBootRequest,
  type ArmBootAnswer,
  type ArmBootRequest,
  type CpuTemplate,
} from "@evenkeel/core";
import { armRegisters, withArmVcpu, writeArmRegister } from "../kvm/arm.ts";
import { capabilities, type KvmHandle } from "../kvm/device.ts";

export interface LiveArmBoot {
  readonly request: ArmBootRequest;
  readonly answer: ArmBootAnswer;
}

/** Boots one vCPU on a VM of its own. Throws KVM_FAILED, also where KVM lacks a vCPU feature. */
export function bootArmLive(kvm: KvmHandle, template: CpuTemplate): LiveArmBoot {
  return withArmVcpu(
    kvm,
    (vcpu) => {
      const request = armBootRequest(armRegisters(vcpu), template);
      const refused = new Map<bigint, string>();
      for (const register of request.registers) {
        const why = writeArmRegister(vcpu, register);
        if (why !== undefined) refused.set(register.id, why);
      }
      return {
        request,
        answer: { capabilities: capabilities(kvm), refused, registers: armRegisters(vcpu) },
      };
    },
    template.vcpuFeatures,
  );
}
