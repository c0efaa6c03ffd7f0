/**
 * KVM's ioctl requests, their numbers computed from their parts.
 * Source: Linux include/uapi/linux/kvm.h and include/uapi/asm-generic/ioctl.h;
 * https://docs.kernel.org/virt/kvm/api.html.
 */

/** What the kernel does with the argument: nothing, reads it, writes it, or both. */
const DIRECTION = { none: 0, in: 1, out: 2, both: 3 } as const;

const KVMIO = 0xae;

export interface Request {
  readonly name: string;
  /** The `_IOC` number: direction 31:30, size 29:16, type 15:8, number 7:0. */
  readonly number: number;
}

/** `size`: bytes of the fixed part of the struct, without its array. */
function request(
  name: string,
  number: number,
  direction: keyof typeof DIRECTION = "none",
  size = 0,
): Request {
  const word = (DIRECTION[direction] << 30) | (size << 16) | (KVMIO << 8) | number;
  return { name, number: word >>> 0 };
}

/** On /dev/kvm. */
export const KVM_GET_API_VERSION = request("KVM_GET_API_VERSION", 0x00);
export const KVM_CREATE_VM = request("KVM_CREATE_VM", 0x01);
export const KVM_GET_MSR_INDEX_LIST = request("KVM_GET_MSR_INDEX_LIST", 0x02, "both", 4);
export const KVM_CHECK_EXTENSION = request("KVM_CHECK_EXTENSION", 0x03);
export const KVM_GET_SUPPORTED_CPUID = request("KVM_GET_SUPPORTED_CPUID", 0x05, "both", 8);
export const KVM_GET_MSR_FEATURE_INDEX_LIST = request(
  "KVM_GET_MSR_FEATURE_INDEX_LIST",
  0x0a,
  "both",
  4,
);

/** On a VM. */
export const KVM_CREATE_VCPU = request("KVM_CREATE_VCPU", 0x41);
export const KVM_SET_TSS_ADDR = request("KVM_SET_TSS_ADDR", 0x47);
export const KVM_CREATE_IRQCHIP = request("KVM_CREATE_IRQCHIP", 0x60);
export const KVM_ARM_PREFERRED_TARGET = request("KVM_ARM_PREFERRED_TARGET", 0xaf, "out", 32);

/** On a vCPU; KVM_GET_MSRS on /dev/kvm as well. */
export const KVM_GET_MSRS = request("KVM_GET_MSRS", 0x88, "both", 8);
export const KVM_SET_MSRS = request("KVM_SET_MSRS", 0x89, "in", 8);
export const KVM_SET_CPUID2 = request("KVM_SET_CPUID2", 0x90, "in", 8);
export const KVM_GET_CPUID2 = request("KVM_GET_CPUID2", 0x91, "both", 8);
export const KVM_GET_TSC_KHZ = request("KVM_GET_TSC_KHZ", 0xa3);
export const KVM_GET_ONE_REG = request("KVM_GET_ONE_REG", 0xab, "in", 16);
export const KVM_SET_ONE_REG = request("KVM_SET_ONE_REG", 0xac, "in", 16);
export const KVM_ARM_VCPU_FINALIZE = request("KVM_ARM_VCPU_FINALIZE", 0xc2, "in", 4);
export const KVM_ARM_VCPU_INIT = request("KVM_ARM_VCPU_INIT", 0xae, "in", 32);
export const KVM_GET_REG_LIST = request("KVM_GET_REG_LIST", 0xb0, "both", 8);
