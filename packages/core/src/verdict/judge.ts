/** The verdict: may a snapshot with this contract resume on this node? */
import { fieldAddress } from "../format/address.ts";
import { fieldByName } from "../tables/lookup.ts";
import { contractType, type CpuContract } from "../contract/contract.ts";
import type { NodeProfile } from "../profile/profile.ts";
import {
  judgeComplete,
  judgeIdentity,
  judgeNesting,
  JUDGES,
  unlistedMsr,
} from "./circumstances.ts";
import { finding, verdictOf, type Finding, type Verdict } from "./finding.ts";
import { prepare, type Bench, type PreparedContract, type PreparedNode } from "./prepare.ts";
import { compareWords } from "./words.ts";

export interface Judgement {
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

function strangers(contract: CpuContract, node: PreparedNode): Finding | undefined {
  const arches = { promised: contract.arch, offered: node.profile.cpu.arch };
  if (contract.arch !== node.profile.cpu.arch) {
    const text = "No snapshot moves between architectures.";
    return finding("architecture", "incompatible", "architecture", arches, text);
  }
  const vendors = { promised: contractType(contract), offered: node.type };
  if (vendors.promised === undefined || vendors.offered === undefined) {
    return finding("vendor", "unknown", "vendor", vendors, "Unknown CPU vendor.");
  }
  if (vendors.promised === vendors.offered) return undefined;
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
  const question = { contract, needed: guest.needed, facts, version };
  const findings = judgeComplete(guest.gaps, node.missing);
  for (const { arch, judge: judgeOne } of JUDGES) {
    if (arch !== "any" && arch !== contract.arch) continue;
    for (const found of judgeOne(question)) findings.push(found);
  }
  const isSameModel = guest.signature !== undefined && guest.signature === node.signature;
  if (!isSameModel) {
    const { promises } = guest;
    findings.push(...judgeIdentity(guest.model, node.model, promises, node.offers));
  }
  compareWords(layout, guest, node, findings);
  for (const msr of guest.restored) {
    if (!node.msrs.has(msr.addr)) findings.push(unlistedMsr(layout, msr));
  }
  const kernels = { promised: contract.kernel, offered: facts.kernel };
  findings.push(...judgeNesting(guest.nesting, kernels, isSameModel, node.offers));
  const judged =
    isSameModel && contract.unbacked.length > 0
      ? findings.map((f) => excuseAtSource(contract, f))
      : findings;
  return { verdict: verdictOf(judged), findings: judged };
}

/** A promise that was false on this model before the move is lint's matter, not a resume's. */
function excuseAtSource({ unbacked }: CpuContract, found: Finding): Finding {
  if (found.severity === "note" || !unbacked.includes(found.name)) return found;
  // A contract can be written by hand: only what a template sets is excused, no circumstance.
  const field = fieldByName(found.name);
  if (field === undefined || found.address !== fieldAddress(field)) return found;
  const consequence =
    "The template claims this on a CPU that lacks it; it was already false where the snapshot was taken " +
    "(see evenkeel lint).";
  return { ...found, severity: "note", consequence };
}

/** Judges one pair. For many, {@link prepare} once and use {@link judgePrepared}. */
export function judge(contract: CpuContract, profile: NodeProfile, version?: string): Judgement {
  const bench = prepare(contractType(contract), [contract], [profile]);
  const [guest, node] = [bench.contracts[0], bench.nodes[0]];
  if (guest === undefined || node === undefined) throw new Error("both were just prepared");
  return judgePrepared(bench, guest, node, version);
}
