/**
 * Firecracker's boot on aarch64 without Firecracker: a real vCPU is given what a template says, and
 * is asked what became of it.
 */
import { bootRequest, type CpuTemplate, type OfferedCpu } from "@evenkeel/core";
import { armRegisters, withArmVcpu, writeArmRegister } from "../kvm/arm.ts";
import { capabilities, type KvmHandle } from "../kvm/device.ts";
import type { LiveBoot } from "./live.ts";

/**
 * Boots one vCPU on a VM of its own; every release writes the same. Throws KVM_FAILED, also where KVM
 * lacks a vCPU feature.
 */
export function bootArmLive(kvm: KvmHandle, line: string, template: CpuTemplate): LiveBoot {
  return withArmVcpu(
    kvm,
    (vcpu) => {
      const registers = armRegisters(vcpu);
      const offered: OfferedCpu = { arch: "aarch64", view: "kvm", cpuid: [], msrs: [], registers };
      const request = bootRequest(offered, "aarch64", line, template);
      const refused = new Map<bigint, string>();
      for (const { id, value } of request.registers) {
        const why = writeArmRegister(vcpu, { id: BigInt(id), value });
        if (why !== undefined) refused.set(BigInt(id), why);
      }
      const after = armRegisters(vcpu);
      return {
        request,
        answer: {
          capabilities: capabilities(kvm),
          cpuid: [],
          refused,
          registers: new Map(after.map(({ id, value }) => [id, value])),
          error: undefined,
        },
      };
    },
    template.vcpuFeatures,
  );
}
