/**
 * KVM capabilities that Firecracker insists on before it does anything: its own list, with what a
 * template adds (`171`) and takes away (`!56`).
 * Source: DEFAULT_CAPABILITIES and `combine_capabilities` in src/vmm/src/vstate/kvm.rs and
 * src/vmm/src/arch, v1.5.0 to v1.16.0; numbers from Linux include/uapi/linux/kvm.h.
 */
import type { Arch } from "../cpuid.ts";

const NEEDED: Readonly<Record<Arch, readonly (readonly [number: number, name: string])[]>> = {
  x86_64: [
    [0, "KVM_CAP_IRQCHIP"],
    [3, "KVM_CAP_USER_MEMORY"],
    [4, "KVM_CAP_SET_TSS_ADDR"],
    [7, "KVM_CAP_EXT_CPUID"],
    [14, "KVM_CAP_MP_STATE"],
    [32, "KVM_CAP_IRQFD"],
    [33, "KVM_CAP_PIT2"],
    [35, "KVM_CAP_PIT_STATE2"],
    [36, "KVM_CAP_IOEVENTFD"],
    [39, "KVM_CAP_ADJUST_CLOCK"],
    [41, "KVM_CAP_VCPU_EVENTS"],
    [50, "KVM_CAP_DEBUGREGS"],
    [55, "KVM_CAP_XSAVE"],
    [56, "KVM_CAP_XCRS"],
  ],
  aarch64: [
    [3, "KVM_CAP_USER_MEMORY"],
    [14, "KVM_CAP_MP_STATE"],
    [32, "KVM_CAP_IRQFD"],
    [36, "KVM_CAP_IOEVENTFD"],
    [70, "KVM_CAP_ONE_REG"],
    [87, "KVM_CAP_ARM_PSCI_0_2"],
    [89, "KVM_CAP_DEVICE_CTRL"],
  ],
};

export interface MissingCapability {
  readonly number: number;
  /** `KVM_CAP_XCRS`, or `KVM capability 171` where Firecracker does not name it. */
  readonly name: string;
}

/** Names by number, in the order of the numbers; `modifiers`: a template's `kvm_capabilities`. */
export function neededCapabilities(
  arch: Arch,
  modifiers: readonly string[],
): ReadonlyMap<number, string> {
  const needed = new Map(NEEDED[arch]);
  for (const modifier of modifiers) {
    const number = Number(modifier.replace("!", ""));
    if (modifier.startsWith("!")) needed.delete(number);
    else if (!needed.has(number)) needed.set(number, `KVM capability ${number}`);
  }
  return new Map([...needed].toSorted(([a], [b]) => a - b));
}

/** What of that a node's KVM does not offer; `offered`: what KVM answers, by number. */
export function lackingCapabilities(
  needed: ReadonlyMap<number, string>,
  offered: ReadonlyMap<number, number>,
): MissingCapability[] {
  const lacking: MissingCapability[] = [];
  for (const [number, name] of needed) {
    if ((offered.get(number) ?? 0) <= 0) lacking.push({ number, name });
  }
  return lacking;
}

export function missingCapabilities(
  arch: Arch,
  modifiers: readonly string[],
  offered: ReadonlyMap<number, number>,
): MissingCapability[] {
  return lackingCapabilities(neededCapabilities(arch, modifiers), offered);
}
