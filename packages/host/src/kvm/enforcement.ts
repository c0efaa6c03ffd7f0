/**
 * Whether this KVM does what a CPU template says. Some backends take KVM_SET_CPUID2 without an
 * error and give guests the hardware's own features; only reading back on a real vCPU tells.
 */
import {
  changedWords,
  trialCpuid,
  type CpuidEntry,
  type Enforcement,
  type Vendor,
} from "@evenkeel/core";
import type { KvmHandle } from "./device.ts";
import { getCpuid, setCpuid, withX86Vcpu } from "./x86.ts";

export function tryEnforcement(
  kvm: KvmHandle,
  vendor: Vendor,
  supported: readonly CpuidEntry[],
): Enforcement {
  const asked = trialCpuid(vendor, supported);
  const answered = withX86Vcpu(kvm, (vcpu) => {
    setCpuid(vcpu, asked);
    return getCpuid(vcpu, asked.length);
  });
  const changed = changedWords(vendor, asked, answered);
  return { enforced: changed.length === 0, changed };
}
