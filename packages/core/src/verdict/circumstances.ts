/** What a verdict looks at besides the CPU's words: kernel, formats, TSC, MSRs, identity. */
import type { CpuContract } from "../contract/contract.ts";
import { missingCapabilities } from "../firecracker/capabilities.ts";
import { isSavedMsr } from "../firecracker/saved-msrs.ts";
import { isSameTsc } from "../firecracker/tsc.ts";
import { isOpenFormat, snapshotFormat } from "../firecracker/versions.ts";
import { msrAddress } from "../format/address.ts";
import { listOf } from "../format/text.ts";
import { kernelLine } from "../profile/kernel.ts";
import { templateDoubt } from "../profile/kvm-facts.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { compareModels, titlesOf, type HasBit } from "../tables/bugs.ts";
import { msrFields } from "../tables/lookup.ts";
import { decodeSignature, formatFms, type FamilyModelStepping } from "../tables/models.ts";
import type { Vendor } from "../tables/field.ts";
import type { Finding, Severity } from "./finding.ts";
import type { RuleId } from "./rules.ts";

/**
 * Host kernels that Firecracker is tested on, in order; snapshots move one step up.
 * Source: docs/kernel-policy.md and docs/snapshotting/snapshot-support.md.
 */
const KERNEL_STEPS: readonly string[] = ["5.10", "6.1", "6.18"];

export function finding(
  rule: RuleId,
  severity: Severity,
  name: string,
  values: { promised?: string | undefined; offered?: string | undefined; address?: string },
  consequence: string,
): Finding {
  const { promised, offered, address = "" } = values;
  return { rule, severity, address, name, promised, offered, consequence };
}

function isTestedMove(contract: CpuContract, profile: NodeProfile): boolean {
  return judgeKernel(contract, profile).every(({ severity }) => severity === "note");
}

export function judgeKernel(contract: CpuContract, profile: NodeProfile): Finding[] {
  const [promised, offered] = [contract.kernel, profile.host.kernel];
  const [from, to] = [kernelLine(promised), kernelLine(offered)];
  if (from !== undefined && from === to) return [];
  const values = { promised, offered };
  if (from === undefined || to === undefined) {
    const text = "The host kernel is not known on both sides.";
    return [finding("kernel", "unknown", "host kernel", values, text)];
  }
  const step = KERNEL_STEPS.indexOf(to) - KERNEL_STEPS.indexOf(from);
  if (KERNEL_STEPS.includes(from) && step === 1) {
    const text = "One step to a newer host kernel, which Firecracker tests.";
    return [finding("kernel", "note", "host kernel", values, text)];
  }
  const text = "Nobody tests moving a snapshot between these host kernels.";
  return [finding("kernel", "unknown", "host kernel", values, text)];
}

/** `version`: the Firecracker to be used; else any that is installed may be. */
export function judgeFormat(
  contract: CpuContract,
  profile: NodeProfile,
  version: string | undefined,
): Finding[] {
  const versions = version === undefined ? profile.firecracker : [version];
  const values = { promised: contract.snapshotFormat, offered: versions.join(", ") || undefined };
  const name = "snapshot format";
  if (contract.snapshotFormat === undefined || versions.length === 0) {
    const text = "Which Firecracker wrote the snapshot, or which one loads it, is not known.";
    return [finding("snapshot-format", "unknown", name, values, text)];
  }
  const written = contract.snapshotFormat;
  if (isOpenFormat(written)) {
    const text =
      `Firecracker ${written} is no release, and formats changed between builds of one name. ` +
      "Name the release with --firecracker.";
    return [finding("snapshot-format", "unknown", name, values, text)];
  }
  const formats = new Set(versions.map(snapshotFormat));
  if (formats.has(written)) return [];
  const open = [...formats].some((f) => f === undefined || isOpenFormat(f));
  const severity = open ? "unknown" : "incompatible";
  const text = open
    ? "Which format the node's Firecracker loads is not known. Name the release with --firecracker."
    : "No Firecracker on the node loads this snapshot format.";
  return [finding("snapshot-format", severity, name, values, text)];
}

export function judgeTsc(contract: CpuContract, profile: NodeProfile): Finding[] {
  const [promised, offered] = [contract.tscKhz, profile.tsc?.khz];
  const values = {
    promised: promised === undefined ? undefined : `${promised} kHz`,
    offered: offered === undefined ? undefined : `${offered} kHz`,
  };
  const scales = profile.tsc?.scaling === true;
  if (promised === undefined && offered === undefined) {
    // As between fingerprints, which do not have it.
    const text = "The TSC frequency is not known on either side; Firecracker checks it at load.";
    return [finding("tsc", "note", "TSC", values, text)];
  }
  if (promised === undefined || offered === undefined) {
    const text = "The TSC frequency is known on one side only; Firecracker checks it at load.";
    return [finding("tsc", scales ? "note" : "unknown", "TSC", values, text)];
  }
  if (isSameTsc(promised, offered)) return [];
  if (scales) {
    return [finding("tsc", "note", "TSC", values, "KVM scales the guest's TSC.")];
  }
  const severity = profile.tsc?.scaling === false ? "incompatible" : "unknown";
  const text = "Without TSC scaling Firecracker refuses the snapshot; clocks would run wrong.";
  return [finding("tsc", severity, "TSC", values, text)];
}

export function judgeEstimate({ estimate }: NodeProfile): Finding[] {
  if (!estimate) return [];
  const text = "The node's profile is an estimate: only a measurement can say yes.";
  return [finding("measured", "unknown", "profile", {}, text)];
}

/** Where KVM changes a guest's CPUID behind its back, nothing that was compared holds. */
export function judgeEnforcement(profile: NodeProfile): Finding[] {
  const doubt = templateDoubt(profile);
  if (doubt === undefined) return [];
  const values = { promised: "the snapshot's CPUID" };
  const text = `No CPUID is sure there: ${doubt}.`;
  return [finding("enforced", "unknown", "CPUID", values, text)];
}

/** `gaps`: of the contract; `missing`: of the node's profile. */
export function judgeComplete(gaps: readonly string[], missing: readonly string[]): Finding[] {
  const say = (name: string) => (what: string) =>
    finding("complete", "unknown", name, {}, `Too incomplete to be sure: ${what}.`);
  return [...gaps.map(say("contract")), ...missing.map(say("profile"))];
}

export function judgeCapabilities(contract: CpuContract, { kvm }: NodeProfile): Finding[] {
  const { arch, kvmCapabilities } = contract;
  const judged = (name: string, severity: Severity, offered: string | undefined, text: string) =>
    finding("kvm-capability", severity, name, { promised: "present", offered }, text);
  if (kvm !== undefined) {
    const text = "Firecracker asks for it before it loads anything: it does not start there.";
    return missingCapabilities(arch, kvmCapabilities, kvm.capabilities).map(({ name }) =>
      judged(name, "incompatible", "absent", text),
    );
  }
  const text = "The template asks for it; the node's profile does not say.";
  return kvmCapabilities
    .filter((capability) => !capability.startsWith("!"))
    .map((capability) => judged(`KVM capability ${capability}`, "unknown", undefined, text));
}

/**
 * MSRs that the snapshot restores and the node's KVM does not list. Firecracker saves what KVM
 * lists of its own ranges, whatever the guest's CPUID says, what the template names, and what the
 * guest's CPUID implies (MPX).
 */
export function judgeMsrs(
  contract: CpuContract,
  node: ReadonlySet<number>,
  vendor: Vendor,
  promises: (feature: string) => boolean,
): Finding[] {
  const { templateMsrs } = contract;
  const isNamed = (addr: number) => templateMsrs === undefined || templateMsrs.includes(addr);
  return contract.msrs
    .filter(({ addr }) => !node.has(addr))
    .flatMap(({ addr, value }): Finding[] => {
      const field = msrFields(vendor, addr)[0];
      const implied = field?.of === "MPX" && promises("MPX");
      if (!isSavedMsr(addr) && !implied && !isNamed(addr)) return [];
      return [
        finding(
          "msr",
          "unknown",
          field?.name ?? "MSR",
          { promised: `0x${value.toString(16)}`, address: msrAddress(addr) },
          "The snapshot restores this MSR, which the node's KVM does not list: the load may fail.",
        ),
      ];
    });
}

/** What a nested guest may do stands in MSRs 480H to 491H (VMX) or C0010114H on, in no dump. */
export function judgeNesting(
  contract: CpuContract,
  profile: NodeProfile,
  isSameModel: boolean,
  promises: HasBit,
  offers: HasBit,
): Finding[] {
  const isAlike = isSameModel && isTestedMove(contract, profile);
  return ["VMX", "SVM"]
    .filter((name) => promises(name) && offers(name))
    .map((name) =>
      finding(
        "nesting",
        isAlike ? "note" : "unknown",
        name,
        { promised: "1", offered: "1" },
        isAlike
          ? `The guest may run guests of its own (${name}). Its capability MSRs are in no dump; ` +
              "the model is the same and Firecracker tests this move between kernels."
          : `The guest may run guests of its own (${name}), and whether the node's capability ` +
              "MSRs match the ones it was shown is not known.",
      ),
    );
}

function fms(eax: number | undefined): FamilyModelStepping | undefined {
  return eax === undefined ? undefined : decodeSignature(eax);
}

/** Kernels choose mitigations by model: what is wrong with the node's, the guest's must have. */
export function judgeIdentity(
  vendor: Vendor,
  promisedEax: number | undefined,
  offeredEax: number | undefined,
  guestHas: HasBit,
  nodeHas: HasBit,
): Finding[] {
  const [promised, offered] = [fms(promisedEax), fms(offeredEax)];
  if (promised === undefined || offered === undefined) return [];
  const { kind, lacking } = compareModels(vendor, promised, offered, guestHas, nodeHas);
  if (kind === "same") return [];
  const values = {
    promised: formatFms(promised),
    offered: formatFms(offered),
    address: "CPUID.01H:EAX",
  };
  const judged = (severity: Severity, text: string) => [
    finding("identity", severity, "family/model/stepping", values, text),
  ];
  if (kind === "unknown") {
    return judged("unknown", "It is not known which mitigations the two models need.");
  }
  if (kind === "newer") {
    const text = "The guest takes its CPU for a newer model and leaves mitigations off.";
    return judged("insecure", text);
  }
  if (lacking.length > 0) {
    const what = listOf(titlesOf(lacking));
    return judged("insecure", `A kernel does not mitigate ${what} on the model that it is shown.`);
  }
  const text = "The guest takes its CPU for an older model and mitigates all that the node needs.";
  return judged("note", text);
}
