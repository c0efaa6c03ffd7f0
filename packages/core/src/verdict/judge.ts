/** The verdict: may a snapshot with this contract resume on this node? */
import { missingArmFacts } from "../profile/arm/facts.ts";
import type { CpuContract } from "../contract/contract.ts";
import { contractGaps } from "../contract/gaps.ts";
import { indexEntries, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import { lastLineBefore } from "../tables/releases.ts";
import { simulate } from "../firecracker/simulate.ts";
import { missingFacts } from "../profile/complete.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { Vendor } from "../tables/field.ts";
import { EMULATED_ALWAYS } from "../tables/msr/listed.ts";
import { vendorOfCpu } from "../tables/vendors.ts";
import { judgeComplete, judgeIdentity, judgeMsrs, judgeNesting, JUDGES } from "./circumstances.ts";
import { factsOf, type NodeFacts } from "./facts.ts";
import { finding, verdictOf, type Finding, type Verdict } from "./finding.ts";
import { hasBit, layOut, layoutOf, type Layout } from "./layout.ts";
import { compareWords } from "./words.ts";

export interface Judgement {
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

interface Content {
  readonly cpuid: readonly CpuidEntry[];
  readonly msrs: readonly MsrValue[];
}

/** A contract made ready to be compared with many nodes. */
export interface PreparedContract {
  readonly contract: CpuContract;
  /** Why nothing may be built on it; empty where nothing speaks against it. */
  readonly gaps: readonly string[];
  readonly words: Uint32Array;
  readonly signature: number | undefined;
}

/** A node made ready to be compared with many contracts. */
export interface PreparedNode {
  readonly profile: NodeProfile;
  readonly vendor: Vendor | undefined;
  readonly words: Uint32Array;
  readonly signature: number | undefined;
  readonly msrs: ReadonlySet<number>;
  readonly facts: NodeFacts;
  readonly missing: readonly string[];
}

/**
 * The release whose normalization hides the least: a node can honour all that KVM offers, even
 * what a newer Firecracker would not show a fresh guest.
 */
const LEAST_HIDING = lastLineBefore("clears-waitpkg");

/** What a node can honour: the guest it would show without a template. */
function offeredBy(profile: NodeProfile, vendor: Vendor): Content {
  if (profile.cpu.view === "guest") return profile.cpu;
  const view = simulate(profile.cpu, vendor, LEAST_HIDING);
  return {
    cpuid: [...view.cpuid.values()],
    msrs: [...view.msrs].map(([addr, value]) => ({ addr, value })),
  };
}

/** A list of MSRs that somebody took may leave out what every KVM has. */
function withEmulated({ cpuid, msrs }: Content): Content {
  const listed = new Set(msrs.map(({ addr }) => addr));
  return { cpuid, msrs: [...msrs, ...EMULATED_ALWAYS.filter(({ addr }) => !listed.has(addr))] };
}

function signatureOf(cpuid: readonly CpuidEntry[]): number | undefined {
  return cpuid.find(({ leaf }) => leaf === 1)?.eax;
}

function missingOf(profile: NodeProfile): readonly string[] {
  return profile.cpu.arch === "aarch64" ? missingArmFacts(profile) : profile.incomplete;
}

/** Everything that is to be compared, laid out once. All of one vendor. */
export interface Bench {
  readonly contracts: readonly PreparedContract[];
  readonly nodes: readonly PreparedNode[];
  readonly layout: Layout;
}

export function prepare(
  vendor: Vendor,
  contracts: readonly CpuContract[],
  profiles: readonly NodeProfile[],
): Bench {
  const offers = profiles.map((profile) => {
    const own = vendorOfCpu(profile.cpu.cpuid);
    const content = own === undefined ? profile.cpu : withEmulated(offeredBy(profile, own));
    return { profile, vendor: own, content };
  });
  const layout = layoutOf(vendor, [...contracts, ...offers.map(({ content }) => content)]);
  return {
    layout,
    contracts: contracts.map((contract) => ({
      contract,
      gaps: contractGaps(contract),
      words: layOut(layout, contract),
      signature: signatureOf(contract.cpuid),
    })),
    nodes: offers.map(({ profile, vendor: own, content }) => ({
      profile,
      vendor: own,
      words: layOut(layout, content),
      signature: signatureOf(content.cpuid),
      msrs: new Set(content.msrs.map(({ addr }) => addr)),
      facts: factsOf(profile),
      missing:
        own === undefined
          ? missingOf(profile)
          : missingFacts(profile, indexEntries(content.cpuid), own),
    })),
  };
}

/** Why the two cannot be compared word by word, if so. */
function strangers(contract: CpuContract, node: PreparedNode): Finding | undefined {
  const arches = { promised: contract.arch, offered: node.profile.cpu.arch };
  if (contract.arch !== node.profile.cpu.arch) {
    const text = "No snapshot moves between architectures.";
    return finding("architecture", "incompatible", "architecture", arches, text);
  }
  if (contract.arch === "aarch64") return undefined;
  const vendors = { promised: contract.vendor, offered: node.vendor };
  if (contract.vendor === undefined || node.vendor === undefined) {
    return finding("vendor", "unknown", "vendor", vendors, "Nothing is known about this vendor.");
  }
  if (contract.vendor === node.vendor) return undefined;
  const text =
    "XSAVE areas are laid out differently (PKRU at 0xa80 on Intel, 0x980 on AMD), SYSCALL and " +
    "SYSENTER differ, and the guest uses MSRs that do not exist there.";
  return finding("vendor", "incompatible", "vendor", vendors, text);
}

/** Judges a prepared pair; `version`: the Firecracker to be used on the node. */
export function judgePrepared(
  { layout }: Bench,
  guest: PreparedContract,
  node: PreparedNode,
  version?: string,
): Judgement {
  const { contract } = guest;
  const strange = strangers(contract, node);
  if (strange !== undefined) return { verdict: verdictOf([strange]), findings: [strange] };
  const { facts } = node;
  const findings = judgeComplete(guest.gaps, node.missing);
  for (const { arch, judge: judgeOne } of JUDGES) {
    if (arch !== "any" && arch !== contract.arch) continue;
    for (const found of judgeOne({ contract, facts, version })) findings.push(found);
  }
  if (contract.arch === "aarch64") return { verdict: verdictOf(findings), findings };
  const promises = (name: string) => hasBit(layout, guest.words, name);
  const offers = (name: string) => hasBit(layout, node.words, name);
  const { vendor } = layout;
  const isSameModel = guest.signature === node.signature;
  findings.push(...judgeIdentity(vendor, guest.signature, node.signature, promises, offers));
  compareWords(layout, guest.words, node.words, findings);
  findings.push(...judgeMsrs(contract, node.msrs, vendor, promises));
  const kernels = { promised: contract.kernel, offered: facts.kernel };
  findings.push(...judgeNesting(kernels, isSameModel, promises, offers));
  const judged =
    isSameModel && contract.unbacked.length > 0
      ? findings.map((f) => excuseAtSource(contract, f))
      : findings;
  return { verdict: verdictOf(judged), findings: judged };
}

/** A promise that was false on this model before the move is lint's matter, not a resume's. */
function excuseAtSource({ unbacked }: CpuContract, found: Finding): Finding {
  if (found.severity === "note" || !unbacked.includes(found.name)) return found;
  const consequence =
    "The template sets this on a CPU that lacks it: already false where the snapshot was taken " +
    "(see evenkeel lint).";
  return { ...found, severity: "note", consequence };
}

/** Judges one pair. For many, {@link prepare} once and use {@link judgePrepared}. */
export function judge(contract: CpuContract, profile: NodeProfile, version?: string): Judgement {
  const bench = prepare(contract.vendor ?? "intel", [contract], [profile]);
  const [guest, node] = [bench.contracts[0], bench.nodes[0]];
  if (guest === undefined || node === undefined) throw new Error("both were just prepared");
  return judgePrepared(bench, guest, node, version);
}
