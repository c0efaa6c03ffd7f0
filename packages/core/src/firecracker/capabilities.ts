/**
 * KVM capabilities that Firecracker insists on before it does anything: its own list, with what a
 * template adds (`171`) and takes away (`!56`).
 * Source: DEFAULT_CAPABILITIES and `combine_capabilities` in src/vmm/src/vstate/kvm.rs and
 * src/vmm/src/arch, v1.5.0 to v1.16.0; numbers from Linux include/uapi/linux/kvm.h.
 */
import type { Arch } from "../cpuid.ts";
import { words } from "../tables/words.ts";

function capabilities(text: string): ReadonlyMap<number, string> {
  return new Map(
    words(text).map((word) => {
      const [name, number] = word.split("=");
      return [Number(number), `KVM_CAP_${name}`];
    }),
  );
}

const NEEDED: Readonly<Record<Arch, ReadonlyMap<number, string>>> = {
  x86_64: capabilities(`
    IRQCHIP=0 USER_MEMORY=3 SET_TSS_ADDR=4 EXT_CPUID=7 MP_STATE=14 IRQFD=32 PIT2=33
    PIT_STATE2=35 IOEVENTFD=36 ADJUST_CLOCK=39 VCPU_EVENTS=41 DEBUGREGS=50 XSAVE=55 XCRS=56`),
  aarch64: capabilities(`
    USER_MEMORY=3 MP_STATE=14 IRQFD=32 IOEVENTFD=36 ONE_REG=70 ARM_PSCI_0_2=87
    DEVICE_CTRL=89`),
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
