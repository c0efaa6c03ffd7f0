/**
 * Firecracker's boot without Firecracker: a real vCPU is given what Firecracker would give it up to
 * its first instruction, and is asked what became of it.
 * Source: `configure` in src/vmm/src/arch/x86_64/vcpu.rs, v1.14.0: supported CPUID, template,
 * normalization, KVM_SET_CPUID2, MSRs.
 */
import {
  bootRequest,
  does,
  vendorOfCpu,
  type BootAnswer,
  type BootRequest,
  type CpuTemplate,
  type OfferedCpu,
} from "@evenkeel/core";
import { HostError } from "../errors.ts";
import { capabilities, type KvmHandle } from "../kvm/device.ts";
import {
  getCpuid,
  readMsrs,
  requestDynamicState,
  setCpuid,
  supportedCpuid,
  withX86Vcpu,
  writeMsrs,
} from "../kvm/x86.ts";

export interface LiveBoot {
  readonly request: BootRequest;
  readonly answer: BootAnswer;
}

function give(
  vcpu: KvmHandle,
  { cpuid, registers }: BootRequest,
): Pick<BootAnswer, "refused" | "error"> {
  try {
    setCpuid(vcpu, cpuid);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return { refused: new Map(), error: error.message };
  }
  const msrs = registers.map(({ id, value }) => ({ addr: Number(id), value }));
  const refused = writeMsrs(vcpu, msrs);
  return { refused: new Map(refused.map((addr) => [addr, ""])), error: undefined };
}

/**
 * Boots one vCPU for a release line, on a VM of its own. `alsoRead`: MSRs to read besides the
 * template's. Undefined where nothing is known about this CPU's vendor. Lines must come in their
 * order: what a process has asked the kernel for once, it keeps.
 */
export function bootLive(
  kvm: KvmHandle,
  line: string,
  template: CpuTemplate,
  alsoRead: readonly number[] = [],
): LiveBoot | undefined {
  if (does(line, "asks-for-amx")) requestDynamicState(kvm);
  const cpuid = supportedCpuid(kvm);
  const named = [...new Set([...template.msrModifiers.map(({ addr }) => addr), ...alsoRead])];
  return withX86Vcpu(kvm, (vcpu) => {
    const { msrs } = readMsrs(vcpu, named);
    const offered: OfferedCpu = { arch: "x86_64", view: "kvm", cpuid, msrs, registers: [] };
    const vendor = vendorOfCpu(cpuid);
    if (vendor === undefined) return undefined;
    const request = bootRequest(offered, vendor, line, template);
    const given = give(vcpu, request);
    const addresses = new Set([...named, ...request.registers.map(({ id }) => Number(id))]);
    const reading = readMsrs(vcpu, [...addresses]);
    return {
      request,
      answer: {
        ...given,
        capabilities: capabilities(kvm),
        cpuid: given.error === undefined ? getCpuid(vcpu, request.cpuid.length) : [],
        registers: new Map(reading.msrs.map(({ addr, value }) => [addr, value])),
      },
    };
  });
}
