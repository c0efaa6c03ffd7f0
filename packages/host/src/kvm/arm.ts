/**
 * What aarch64's KVM is asked: the registers of a vCPU and their values.
 * Source: https://docs.kernel.org/virt/kvm/api.html#kvm-get-reg-list and #kvm-arm-vcpu-init.
 * Written from that document; no aarch64 machine has run it yet.
 */
import type { ArmRegister } from "@evenkeel/core";
import { call, callForList, withVcpu, withVm, type KvmHandle } from "./device.ts";
import {
  KVM_ARM_PREFERRED_TARGET,
  KVM_ARM_VCPU_INIT,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
} from "./requests.ts";
import {
  addVcpuFeature,
  decodeRegister,
  decodeRegList,
  encodeOneReg,
  registerSize,
  regListBuffer,
  vcpuInitBuffer,
} from "./structs.ts";

const REGISTERS = 512;

/** KVM_ARM_VCPU_PSCI_0_2: Firecracker gives it to every vCPU. */
const PSCI_0_2 = 2;

/** Templates reach registers up to 128 bits; the vector registers are state, not CPU. */
const WIDEST = 16;

const KVM_REG_ARM64_U64 = 0x6030_0000_0000_0000n;

/** A system register's id from its encoding (ARM64_SYS_REG in the kernel's header). */
function systemRegister(op0: number, op1: number, crn: number, crm: number, op2: number): bigint {
  const encoding = (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
  return KVM_REG_ARM64_U64 | (0x13n << 16n) | BigInt(encoding);
}

/**
 * What runs with the time or depends on the kernel image; fingerprints leave the same out.
 * Source: REG_EXCLUSION_LIST in src/cpu-template-helper/src/template/dump/aarch64.rs, v1.16.1.
 */
const LEFT_OUT: ReadonlySet<bigint> = new Set([
  systemRegister(3, 3, 14, 3, 2), // the virtual timer's count
  systemRegister(3, 3, 14, 0, 1), // the physical timer's count
  KVM_REG_ARM64_U64 | (0x10n << 16n) | 0x40n, // the program counter
]);

function readRegister(vcpu: KvmHandle, id: bigint): bigint {
  return vcpu.libc.withPinned(registerSize(id), (address, read) => {
    call(vcpu, KVM_GET_ONE_REG, encodeOneReg(id, address));
    return decodeRegister(read());
  });
}

/** The registers of a vCPU as Firecracker initializes it, sorted by id. */
export function armRegisters(kvm: KvmHandle): ArmRegister[] {
  return withVm(kvm, (vm) => {
    const init = vcpuInitBuffer();
    call(vm, KVM_ARM_PREFERRED_TARGET, init);
    addVcpuFeature(init, PSCI_0_2);
    return withVcpu(vm, 0, (vcpu) => {
      call(vcpu, KVM_ARM_VCPU_INIT, init);
      const ids = decodeRegList(callForList(vcpu, KVM_GET_REG_LIST, REGISTERS, regListBuffer));
      return ids
        .filter((id) => registerSize(id) <= WIDEST && !LEFT_OUT.has(id))
        .map((id) => ({ id, value: readRegister(vcpu, id) }))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1));
    });
  });
}
