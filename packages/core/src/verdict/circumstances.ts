/**
 * What a verdict looks at besides the CPU's words: kernel, formats, TSC, MSRs, identity. The judges
 * of a node's circumstances are {@link JUDGES}, each with the facts it reads.
 */
import { NESTING } from "../tables/nesting.ts";
import { compareArm } from "./arm.ts";
import type { CpuContract } from "../contract/contract.ts";
import type { MsrValue } from "../cpuid.ts";
import { lackingCapabilities } from "../firecracker/capabilities.ts";
import { isSavedMsr } from "../firecracker/saved-msrs.ts";
import { isSameTsc } from "../firecracker/tsc.ts";
import { isPreRelease, snapshotFormat } from "../tables/releases.ts";
import { hexNumber, msrAddress } from "../format/address.ts";
import { listOf } from "../format/text.ts";
import { kernelMove, type KernelMove } from "../tables/kernels.ts";
import { compareModels, type HasBit, type NamedModel } from "../tables/compare-models.ts";
import { titlesOf } from "../tables/bugs.ts";
import { msrFields } from "../tables/lookup.ts";
import type { CpuType } from "../tables/field.ts";
import { finding, type Finding, type Severity } from "./finding.ts";
import type { FactName, NodeFacts } from "./facts.ts";

/** One pair, with no more of the node than the facts that a judge named. */
interface Question<K extends FactName> {
  readonly contract: CpuContract;
  /** KVM capabilities without which the snapshot's Firecracker does not start, by number. */
  readonly needed: ReadonlyMap<number, string>;
  readonly facts: Pick<NodeFacts, K>;
  /** The Firecracker to be used; else any that is installed may be. */
  readonly version: string | undefined;
}

interface Judge {
  readonly arch: CpuContract["arch"] | "any";
  readonly reads: readonly FactName[];
  readonly judge: (question: Question<FactName>) => readonly Finding[];
}

/** Most judges have nothing to say about most pairs. */
const NOTHING: readonly Finding[] = [];

/** Keeps a judge to the facts it names: the compiler gives it no others. */
function judgeOf<K extends FactName>(
  arch: Judge["arch"],
  reads: readonly K[],
  judge: (question: Question<K>) => readonly Finding[],
): Judge {
  return { arch, reads, judge };
}

const KERNEL_MOVES: Readonly<Record<Exclude<KernelMove, "same">, readonly [Severity, string]>> = {
  step: ["note", "The host kernel is the next newer one; Firecracker tests this step."],
  unknown: ["unknown", "The host kernel of the snapshot, of the node, or of both is unknown."],
  untested: ["unknown", "Firecracker does not test moving a snapshot between these host kernels."],
};

function judgeKernel({ contract, facts }: Question<"kernel">): readonly Finding[] {
  const values = { promised: contract.kernel, offered: facts.kernel };
  const move = kernelMove(values.promised, values.offered);
  if (move === "same") return NOTHING;
  const [severity, text] = KERNEL_MOVES[move];
  return [finding("kernel", severity, "host kernel", values, text)];
}

function judgeFormat({ contract, facts, version }: Question<"firecracker">): readonly Finding[] {
  const versions = version === undefined ? facts.firecracker : [version];
  const written = contract.snapshotFormat;
  const isLoaded = versions.some((one) => snapshotFormat(one) === written);
  if (written !== undefined && isLoaded && !isPreRelease(written)) return NOTHING;
  const values = { promised: written, offered: versions.join(", ") || undefined };
  const name = "snapshot format";
  if (written === undefined || versions.length === 0) {
    const text =
      "It is not known which Firecracker wrote the snapshot, or which one would load it.";
    return [finding("snapshot-format", "unknown", name, values, text)];
  }
  if (isPreRelease(written)) {
    const text =
      `Firecracker ${written} is not a release, and formats change between builds of the same name. ` +
      "Name the release with --firecracker.";
    return [finding("snapshot-format", "unknown", name, values, text)];
  }
  const formats = versions.map(snapshotFormat);
  const open = formats.some((f) => f === undefined || isPreRelease(f));
  const severity = open ? "unknown" : "incompatible";
  const text = open
    ? "It is not known which format the node's Firecracker can load. Name the release with --firecracker."
    : "No Firecracker on the node can load this snapshot format.";
  return [finding("snapshot-format", severity, name, values, text)];
}

/** As between fingerprints, which do not have it. */
const TSC_UNKNOWN = "Neither TSC frequency is known; Firecracker checks it at load.";
const NO_TSC: readonly Finding[] = [finding("tsc", "note", "TSC", {}, TSC_UNKNOWN)];

function judgeTsc({ contract, facts: { tsc } }: Question<"tsc">): readonly Finding[] {
  const promised = contract.tscKhz;
  const offered = tsc?.khz;
  if (promised === undefined && offered === undefined) return NO_TSC;
  const values = {
    promised: promised === undefined ? undefined : `${promised} kHz`,
    offered: offered === undefined ? undefined : `${offered} kHz`,
  };
  const scales = tsc?.scaling === true;
  if (promised === undefined || offered === undefined) {
    const text = "Only one of the TSC frequencies is known; Firecracker checks it at load.";
    return [finding("tsc", scales ? "note" : "unknown", "TSC", values, text)];
  }
  if (isSameTsc(promised, offered)) return NOTHING;
  if (scales) return [finding("tsc", "note", "TSC", values, "KVM scales the guest's TSC.")];
  const severity = tsc?.scaling === false ? "incompatible" : "unknown";
  const text =
    "Without TSC scaling Firecracker refuses the snapshot; clocks would run at the wrong rate.";
  return [finding("tsc", severity, "TSC", values, text)];
}

function judgeEstimate({ facts }: Question<"estimate">): readonly Finding[] {
  if (!facts.estimate) return NOTHING;
  const text = "The node's profile is an estimate; only a measured profile can be compatible.";
  return [finding("measured", "unknown", "profile", {}, text)];
}

/** Where KVM changes a guest's CPUID behind its back, nothing that was compared holds. */
function judgeEnforcement({ facts }: Question<"enforcement">): readonly Finding[] {
  const doubt = facts.enforcement;
  if (doubt === undefined) return NOTHING;
  const values = { promised: "the snapshot's CPUID" };
  const text = `What CPUID guests see on this node is not certain: ${doubt}.`;
  return [finding("enforced", "unknown", "CPUID", values, text)];
}

export const JUDGES: readonly Judge[] = [
  judgeOf("any", ["estimate"], judgeEstimate),
  judgeOf("any", ["enforcement"], judgeEnforcement),
  judgeOf("any", ["kernel"], judgeKernel),
  judgeOf("any", ["firecracker"], judgeFormat),
  judgeOf("any", ["capabilities"], judgeCapabilities),
  judgeOf("aarch64", ["writes"], ({ contract, facts }) => compareArm(contract, facts.writes)),
  judgeOf("x86_64", ["tsc"], judgeTsc),
];

/** `gaps`: of the contract; `missing`: of the node's profile. */
export function judgeComplete(gaps: readonly string[], missing: readonly string[]): Finding[] {
  if (gaps.length === 0 && missing.length === 0) return [];
  const say = (name: string) => (what: string) =>
    finding("complete", "unknown", name, {}, `Facts are missing: ${what}.`);
  return [...gaps.map(say("contract")), ...missing.map(say("profile"))];
}

function judgeCapabilities(question: Question<"capabilities">): readonly Finding[] {
  const { kvmCapabilities } = question.contract;
  const { capabilities } = question.facts;
  if (capabilities === undefined && kvmCapabilities.length === 0) return NOTHING;
  const judged = (name: string, severity: Severity, offered: string | undefined, text: string) =>
    finding("kvm-capability", severity, name, { promised: "present", offered }, text);
  if (capabilities !== undefined) {
    const text = "Firecracker requires it and does not start without it.";
    return lackingCapabilities(question.needed, capabilities).map(({ name }) =>
      judged(name, "incompatible", "absent", text),
    );
  }
  const text = "The template requires it; the node's profile does not say whether the node has it.";
  return kvmCapabilities
    .filter((capability) => !capability.startsWith("!"))
    .map((capability) => judged(`KVM capability ${capability}`, "unknown", undefined, text));
}

/**
 * The MSRs that a snapshot restores. Firecracker saves what KVM lists of its own ranges, whatever
 * the guest's CPUID says, what the template names, and what the guest's CPUID implies (MPX).
 */
export function restoredMsrs(
  { msrs, templateMsrs }: CpuContract,
  type: CpuType | undefined,
  promises: HasBit,
): MsrValue[] {
  if (type === undefined) return [];
  const isImplied = (addr: number) => msrFields(type, addr)[0]?.of === "MPX" && promises("MPX");
  return msrs.filter(
    ({ addr }) =>
      templateMsrs === undefined ||
      isSavedMsr(addr) ||
      templateMsrs.includes(addr) ||
      isImplied(addr),
  );
}

export function unlistedMsr(
  { type }: { readonly type: CpuType | undefined },
  { addr, value }: MsrValue,
): Finding {
  const [field] = type === undefined ? [] : msrFields(type, addr);
  const values = { promised: hexNumber(value), address: msrAddress(addr) };
  const text =
    "The snapshot contains this MSR, which the node's KVM does not list: the load may fail.";
  return finding("msr", "unknown", field?.name ?? "MSR", values, text);
}

export function nestingOf(promises: HasBit): string[] {
  return NESTING.filter(promises);
}

/** What a nested guest can do depends on MSRs that no dump has. `promised`: by {@link nestingOf}. */
export function judgeNesting(
  promised: readonly string[],
  kernels: { readonly promised: string | undefined; readonly offered: string | undefined },
  isSameModel: boolean,
  offers: HasBit,
): readonly Finding[] {
  if (promised.length === 0) return NOTHING;
  const move = kernelMove(kernels.promised, kernels.offered);
  const isAlike = isSameModel && (move === "same" || move === "step");
  const values = { promised: "1", offered: "1" };
  const rest = isAlike
    ? ". Dumps do not have the capability MSRs, but the model is the same and Firecracker tests this " +
      "move between kernels."
    : ". It is not known whether the node's capability MSRs match those that it was shown.";
  return promised.filter(offers).map((name) => {
    const text = `The guest may run guests of its own (${name})${rest}`;
    return finding("nesting", isAlike ? "note" : "unknown", name, values, text);
  });
}

/** Kernels choose mitigations by model: what is wrong with the node's, the guest's must have. */
export function judgeIdentity(
  promised: NamedModel | undefined,
  offered: NamedModel | undefined,
  guestHas: HasBit,
  nodeHas: HasBit,
): readonly Finding[] {
  if (promised === undefined || offered === undefined) return NOTHING;
  const { kind, lacking } = compareModels(promised, offered, guestHas, nodeHas);
  if (kind === "same") return NOTHING;
  const values = { promised: promised.fms, offered: offered.fms, address: "CPUID.01H:EAX" };
  const judged = (severity: Severity, text: string) => [
    finding("identity", severity, "family/model/stepping", values, text),
  ];
  if (kind === "unknown") {
    return judged("unknown", "It is not known which mitigations the two models need.");
  }
  if (kind === "newer") {
    const text = "The guest believes its CPU is a newer model, so it leaves mitigations off.";
    return judged("insecure", text);
  }
  const what = listOf(titlesOf(lacking));
  return lacking.length > 0
    ? judged("insecure", `On the model that the guest is shown, kernels do not mitigate ${what}.`)
    : judged(
        "note",
        "The guest believes its CPU is an older model, and has every mitigation that this node needs.",
      );
}
