/**
 * aarch64's KVM: the registers of a vCPU, read and written.
 * Source: https://docs.kernel.org/virt/kvm/api.html#kvm-get-reg-list and #kvm-arm-vcpu-init.
 */
import { applyBitmap32, type ArmRegister, type CpuTemplate } from "@evenkeel/core";
import { HostError } from "../errors.ts";
import { call, callForList, withVcpu, withVm, type KvmHandle } from "./device.ts";
import { errnoText } from "./libc.ts";
import {
  KVM_ARM_PREFERRED_TARGET,
  KVM_ARM_VCPU_FINALIZE,
  KVM_ARM_VCPU_INIT,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_SET_ONE_REG,
} from "./requests.ts";
import {
  addVcpuFeature,
  changeVcpuFeatures,
  decodeRegister,
  decodeRegList,
  encodeOneReg,
  encodeRegister,
  registerSize,
  regListBuffer,
  vcpuInitBuffer,
} from "./structs.ts";

const REGISTERS = 512;

/** KVM_ARM_VCPU_PSCI_0_2: Firecracker gives it to every vCPU. */
const PSCI_0_2 = 2;
/** KVM_ARM_VCPU_SVE, which has to be finalized before registers can be read. */
const SVE = 4;

/** Templates reach registers up to 128 bits; the vector registers are state, not CPU. */
const WIDEST = 16;

const KVM_REG_ARM64_U64 = 0x6030_0000_0000_0000n;

/** A system register's id from its encoding (ARM64_SYS_REG in the kernel's header). */
function systemRegister(op0: number, op1: number, crn: number, crm: number, op2: number): bigint {
  const encoding = (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
  return KVM_REG_ARM64_U64 | (0x13n << 16n) | BigInt(encoding);
}

/**
 * Registers that change with time or depend on the kernel image; fingerprints omit the same ones.
 * Source: REG_EXCLUSION_LIST in src/cpu-template-helper/src/template/dump/aarch64.rs, v1.16.1.
 */
const LEFT_OUT: ReadonlySet<bigint> = new Set([
  systemRegister(3, 3, 14, 3, 2), // the virtual timer's count
  systemRegister(3, 3, 14, 0, 1), // the physical timer's count
  KVM_REG_ARM64_U64 | (0x10n << 16n) | 0x40n, // the program counter
]);

type VcpuFeatures = CpuTemplate["vcpuFeatures"];

/** A vCPU as Firecracker initializes it, for the duration of `use`. Throws KVM_FAILED. */
export function withArmVcpu<T>(
  kvm: KvmHandle,
  use: (vcpu: KvmHandle) => T,
  features: VcpuFeatures = [],
): T {
  return withVm(kvm, (vm) => {
    const init = vcpuInitBuffer();
    call(vm, KVM_ARM_PREFERRED_TARGET, init);
    addVcpuFeature(init, PSCI_0_2);
    let hasSve = false;
    for (const { index, ...bitmap } of features) {
      changeVcpuFeatures(init, index, (word) => {
        const changed = applyBitmap32(word, bitmap);
        if (index === 0) hasSve = ((changed >>> SVE) & 1) === 1;
        return changed;
      });
    }
    return withVcpu(vm, 0, (vcpu) => {
      call(vcpu, KVM_ARM_VCPU_INIT, init);
      if (hasSve) call(vcpu, KVM_ARM_VCPU_FINALIZE, encodeRegister(BigInt(SVE), 4));
      return use(vcpu);
    });
  });
}

/** Throws KVM_FAILED. */
export function readArmRegister(vcpu: KvmHandle, id: bigint): bigint {
  return vcpu.libc.withPinned(registerSize(id), (buffer) => {
    call(vcpu, KVM_GET_ONE_REG, encodeOneReg(id, buffer.address));
    return decodeRegister(buffer.bytes);
  });
}

/** KVM's error in words; undefined if it accepted the value. */
export function writeArmRegister(vcpu: KvmHandle, { id, value }: ArmRegister): string | undefined {
  const size = registerSize(id);
  return vcpu.libc.withPinned(size, (buffer) => {
    buffer.bytes.set(encodeRegister(value, size));
    const argument = encodeOneReg(id, buffer.address);
    const { result, errno } = vcpu.libc.ioctl(vcpu.fd, KVM_SET_ONE_REG, argument);
    return result < 0 ? errnoText(errno) : undefined;
  });
}

/** Restores the previous value; throws KVM_FAILED if KVM no longer accepts it. */
export function restoreArmRegister(vcpu: KvmHandle, register: ArmRegister): void {
  const why = writeArmRegister(vcpu, register);
  if (why === undefined) return;
  const id = `0x${register.id.toString(16)}`;
  throw new HostError("KVM_FAILED", `${KVM_SET_ONE_REG.name} of ${id}, as it was: ${why}`);
}

/** The registers of a vCPU, sorted by id. */
export function armRegisters(vcpu: KvmHandle): ArmRegister[] {
  const ids = decodeRegList(callForList(vcpu, KVM_GET_REG_LIST, REGISTERS, regListBuffer));
  return ids
    .filter((id) => registerSize(id) <= WIDEST && !LEFT_OUT.has(id))
    .map((id) => ({ id, value: readArmRegister(vcpu, id) }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
