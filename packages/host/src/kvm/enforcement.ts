/**
 * Whether this KVM enforces CPU templates. Some backends accept KVM_SET_CPUID2 without an error,
 * yet give guests the hardware's own features; only reading back from a real vCPU shows it.
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
