/**
 * What a verdict looks at besides the CPU's words: kernel, formats, TSC, MSRs, identity. The judges
 * of a node's circumstances are {@link JUDGES}, each with the facts it reads.
 */
import { compareArm } from "./arm.ts";
import type { CpuContract } from "../contract/contract.ts";
import { missingCapabilities } from "../firecracker/capabilities.ts";
import { isSavedMsr } from "../firecracker/saved-msrs.ts";
import { isSameTsc } from "../firecracker/tsc.ts";
import { isOpenFormat, snapshotFormat } from "../tables/releases.ts";
import { msrAddress } from "../format/address.ts";
import { listOf } from "../format/text.ts";
import { kernelMove } from "../tables/kernels.ts";
import { compareModels, titlesOf, type HasBit } from "../tables/bugs.ts";
import { msrFields } from "../tables/lookup.ts";
import { decodeSignature, formatFms, type FamilyModelStepping } from "../tables/models.ts";
import type { CpuType } from "../tables/field.ts";
import { finding, type Finding, type Severity } from "./finding.ts";
import type { FactName, NodeFacts } from "./facts.ts";

/** One pair, with no more of the node than the facts that a judge named. */
interface Question<K extends FactName> {
  readonly contract: CpuContract;
  readonly facts: Pick<NodeFacts, K>;
  /** The Firecracker to be used; else any that is installed may be. */
  readonly version: string | undefined;
}

interface Judge {
  readonly arch: CpuContract["arch"] | "any";
  readonly reads: readonly FactName[];
  readonly judge: (question: Question<FactName>) => Finding[];
}

/** Keeps a judge to the facts it names: the compiler gives it no others. */
function judgeOf<K extends FactName>(
  arch: Judge["arch"],
  reads: readonly K[],
  judge: (question: Question<K>) => Finding[],
): Judge {
  return { arch, reads, judge };
}

/** Releases of the host kernels that the snapshot was taken on, and is to resume on. */
function judgeKernel(promised: string | undefined, offered: string | undefined): Finding[] {
  const move = kernelMove(promised, offered);
  if (move === "same") return [];
  const values = { promised, offered };
  if (move === "unknown") {
    const text = "The host kernel is not known on both sides.";
    return [finding("kernel", "unknown", "host kernel", values, text)];
  }
  if (move === "step") {
    const text = "One step to a newer host kernel, which Firecracker tests.";
    return [finding("kernel", "note", "host kernel", values, text)];
  }
  const text = "Nobody tests moving a snapshot between these host kernels.";
  return [finding("kernel", "unknown", "host kernel", values, text)];
}

function judgeFormat({ contract, facts, version }: Question<"firecracker">): Finding[] {
  const versions = version === undefined ? facts.firecracker : [version];
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

function judgeTsc({ contract, facts: { tsc } }: Question<"tsc">): Finding[] {
  const [promised, offered] = [contract.tscKhz, tsc?.khz];
  const values = {
    promised: promised === undefined ? undefined : `${promised} kHz`,
    offered: offered === undefined ? undefined : `${offered} kHz`,
  };
  const scales = tsc?.scaling === true;
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
  const severity = tsc?.scaling === false ? "incompatible" : "unknown";
  const text = "Without TSC scaling Firecracker refuses the snapshot; clocks would run wrong.";
  return [finding("tsc", severity, "TSC", values, text)];
}

function judgeEstimate({ facts }: Question<"estimate">): Finding[] {
  if (!facts.estimate) return [];
  const text = "The node's profile is an estimate: only a measurement can say yes.";
  return [finding("measured", "unknown", "profile", {}, text)];
}

/** Where KVM changes a guest's CPUID behind its back, nothing that was compared holds. */
function judgeEnforcement({ facts }: Question<"enforcement">): Finding[] {
  const doubt = facts.enforcement;
  if (doubt === undefined) return [];
  const values = { promised: "the snapshot's CPUID" };
  const text = `No CPUID is sure there: ${doubt}.`;
  return [finding("enforced", "unknown", "CPUID", values, text)];
}

/** In the order of their findings. */
export const JUDGES: readonly Judge[] = [
  judgeOf("any", ["estimate"], judgeEstimate),
  judgeOf("any", ["enforcement"], judgeEnforcement),
  judgeOf("any", ["kernel"], ({ contract, facts }) => judgeKernel(contract.kernel, facts.kernel)),
  judgeOf("any", ["firecracker"], judgeFormat),
  judgeOf("any", ["capabilities"], judgeCapabilities),
  judgeOf("aarch64", ["writes"], ({ contract, facts }) => compareArm(contract, facts.writes)),
  judgeOf("x86_64", ["tsc"], judgeTsc),
];

/** `gaps`: of the contract; `missing`: of the node's profile. */
export function judgeComplete(gaps: readonly string[], missing: readonly string[]): Finding[] {
  const say = (name: string) => (what: string) =>
    finding("complete", "unknown", name, {}, `Too incomplete to be sure: ${what}.`);
  return [...gaps.map(say("contract")), ...missing.map(say("profile"))];
}

function judgeCapabilities({ contract, facts }: Question<"capabilities">): Finding[] {
  const { arch, kvmCapabilities } = contract;
  const { capabilities } = facts;
  const judged = (name: string, severity: Severity, offered: string | undefined, text: string) =>
    finding("kvm-capability", severity, name, { promised: "present", offered }, text);
  if (capabilities !== undefined) {
    const text = "Firecracker asks for it before it loads anything: it does not start there.";
    return missingCapabilities(arch, kvmCapabilities, capabilities).map(({ name }) =>
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
  type: CpuType,
  promises: (feature: string) => boolean,
): Finding[] {
  const { templateMsrs } = contract;
  const isNamed = (addr: number) => templateMsrs === undefined || templateMsrs.includes(addr);
  return contract.msrs
    .filter(({ addr }) => !node.has(addr))
    .flatMap(({ addr, value }): Finding[] => {
      const field = msrFields(type, addr)[0];
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
  kernels: { readonly promised: string | undefined; readonly offered: string | undefined },
  isSameModel: boolean,
  promises: HasBit,
  offers: HasBit,
): Finding[] {
  const move = kernelMove(kernels.promised, kernels.offered);
  const isAlike = isSameModel && (move === "same" || move === "step");
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
  type: CpuType,
  promisedEax: number | undefined,
  offeredEax: number | undefined,
  guestHas: HasBit,
  nodeHas: HasBit,
): Finding[] {
  const [promised, offered] = [fms(promisedEax), fms(offeredEax)];
  if (promised === undefined || offered === undefined) return [];
  const { kind, lacking } = compareModels(type, promised, offered, guestHas, nodeHas);
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
