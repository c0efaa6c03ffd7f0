/** The probe: what this machine can offer a guest, as a node profile. */
import { hostname } from "node:os";
import {
  isDumpedMsr,
  vendorOfCpu,
  type KvmFacts,
  type MsrValue,
  type NodeProfile,
  type OfferedCpu,
  type TscFacts,
  type Vendor,
} from "@evenkeel/core";
import { HostError } from "../errors.ts";
import { armRegisters, withArmVcpu } from "../kvm/arm.ts";
import { tryWrites } from "../kvm/arm-trial.ts";
import { apiVersion, capabilities, KVM_PATH, withKvm, type KvmHandle } from "../kvm/device.ts";
import { tryEnforcement } from "../kvm/enforcement.ts";
import {
  featureMsrs,
  listedMsrs,
  readMsrs,
  requestDynamicState,
  setCpuid,
  supportedCpuid,
  tscKhz,
  withX86Vcpu,
} from "../kvm/x86.ts";
import { kvmBackend, readHostFacts } from "./host-facts.ts";

export interface ProbeOptions {
  /** The node's name; the machine's own by default. */
  readonly name?: string;
  /** KVM's device. */
  readonly kvm?: string;
  /** Where /proc and /sys are. */
  readonly root?: string;
  /** Versions found there. */
  readonly firecracker?: readonly string[];
}

type Reading = Pick<NodeProfile, "cpu" | "incomplete"> & {
  readonly kvm: KvmFacts;
  readonly tsc?: TscFacts;
};

/** KVM_CAP_TSC_CONTROL: a guest's TSC can run at another frequency than the host's. */
const CAP_TSC_CONTROL = 60;

interface VcpuReading {
  readonly msrs: readonly MsrValue[];
  readonly unreadable: readonly number[];
  readonly khz: number;
}

/** `vendor`: undefined if unknown; then no vendor-specific bit is left out. */
function readVcpu(
  kvm: KvmHandle,
  cpuid: OfferedCpu["cpuid"],
  vendor: Vendor | undefined,
): VcpuReading {
  return withX86Vcpu(kvm, (vcpu) => {
    setCpuid(vcpu, cpuid);
    const addresses = listedMsrs(kvm).filter((addr) => isDumpedMsr(vendor, addr));
    return { ...readMsrs(vcpu, addresses), khz: tscKhz(vcpu) };
  });
}

/** A step whose failure leaves the profile incomplete, with the reason. */
function attempt<T>(what: string, reasons: string[], step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    reasons.push(`${what}: ${error.message}`);
    return undefined;
  }
}

function readX86(kvm: KvmHandle, backend: string | undefined): Reading {
  const incomplete: string[] = [];
  requestDynamicState(kvm);
  const cpuid = supportedCpuid(kvm);
  const vendor = vendorOfCpu(cpuid);
  const features = readMsrs(kvm, featureMsrs(kvm));
  const vcpu = attempt("no vCPU", incomplete, () => readVcpu(kvm, cpuid, vendor));
  // The vendor's rows say which bits to try; without rows nothing was tried.
  const enforcement =
    vendor &&
    attempt("it is not known whether templates are enforced", incomplete, () =>
      tryEnforcement(kvm, vendor, cpuid),
    );
  const answers = capabilities(kvm);
  const scaling = (answers.get(CAP_TSC_CONTROL) ?? 0) > 0;
  return {
    cpu: { arch: "x86_64", view: "kvm", cpuid, msrs: vcpu?.msrs ?? [], registers: [] },
    ...(vcpu === undefined ? {} : { tsc: { khz: vcpu.khz, scaling } }),
    kvm: {
      apiVersion: apiVersion(kvm),
      ...(backend === undefined ? {} : { backend }),
      capabilities: answers,
      featureMsrs: features.msrs,
      unreadableMsrs: vcpu?.unreadable ?? [],
      ...(enforcement === undefined ? {} : { enforcement }),
    },
    incomplete,
  };
}

function readArm(kvm: KvmHandle, backend: string | undefined): Reading {
  const incomplete: string[] = [];
  const registers = withArmVcpu(kvm, (vcpu) => armRegisters(vcpu));
  const takenFields = attempt("it is not known which writes KVM allows", incomplete, () =>
    tryWrites(kvm, registers),
  );
  return {
    cpu: { arch: "aarch64", view: "kvm", cpuid: [], msrs: [], registers },
    kvm: {
      apiVersion: apiVersion(kvm),
      ...(backend === undefined ? {} : { backend }),
      capabilities: capabilities(kvm),
      featureMsrs: [],
      unreadableMsrs: [],
      ...(takenFields === undefined ? {} : { takenFields }),
    },
    incomplete,
  };
}

/** Throws NO_KVM, KVM_FORBIDDEN, KVM_FAILED or NO_FFI. */
export async function probe(options: ProbeOptions = {}): Promise<NodeProfile> {
  const { name = hostname(), kvm: path = KVM_PATH, root = "/", firecracker = [] } = options;
  const read = process.arch === "arm64" ? readArm : readX86;
  const reading = await withKvm(path, (kvm) => read(kvm, kvmBackend(root)));
  return {
    name,
    provenance: "evenkeel probe, through KVM",
    host: readHostFacts(root),
    firecracker,
    estimate: false,
    ...reading,
  };
}
