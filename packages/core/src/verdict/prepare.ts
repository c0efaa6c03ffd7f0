/** Contracts and nodes made ready to be compared: whatever does not depend on the pair. */
import type { CpuContract } from "../contract/contract.ts";
import { contractGaps } from "../contract/doubts.ts";
import { indexEntries, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import { neededCapabilities } from "../firecracker/capabilities.ts";
import { simulate } from "../firecracker/simulate.ts";
import { missingOf } from "../profile/complete.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { nameModel, type NamedModel } from "../tables/compare-models.ts";
import type { CpuType } from "../tables/field.ts";
import { decodeSignature, signatureOf } from "../tables/models.ts";
import { EMULATED_ALWAYS } from "../tables/msr/listed.ts";
import { lastLineBefore } from "../tables/releases.ts";
import { cpuTypeOf } from "../tables/vendors.ts";
import { nestingOf, restoredMsrs } from "./circumstances.ts";
import { factsOf, type NodeFacts } from "./facts.ts";
import { hasBit, hasPlaces, layOut, layoutOf, type Layout, type Slot } from "./layout.ts";
import { guestWords, type GuestWords, type NodeWords } from "./words.ts";

interface Content {
  readonly cpuid: readonly CpuidEntry[];
  readonly msrs: readonly MsrValue[];
}

export interface PreparedContract extends GuestWords {
  readonly contract: CpuContract;
  /** Why nothing may be built on it; empty where nothing speaks against it. */
  readonly gaps: readonly string[];
  readonly signature: number | undefined;
  readonly model: NamedModel | undefined;
  readonly needed: ReadonlyMap<number, string>;
  readonly restored: readonly MsrValue[];
  readonly nesting: readonly string[];
}

export interface PreparedNode extends NodeWords {
  readonly profile: NodeProfile;
  readonly type: CpuType | undefined;
  readonly signature: number | undefined;
  readonly model: NamedModel | undefined;
  readonly msrs: ReadonlySet<number>;
  readonly facts: NodeFacts;
  readonly missing: readonly string[];
}

/** The release that hides least: a node can honour all that KVM offers. */
const LEAST_HIDING = lastLineBefore("clears-waitpkg");

/** What a node can honour: the guest it would show without a template. */
function offeredBy(profile: NodeProfile, type: CpuType): Content {
  if (profile.cpu.view === "guest") return profile.cpu;
  const view = simulate(profile.cpu, type, LEAST_HIDING);
  return {
    cpuid: [...view.cpuid.values()],
    msrs: [...view.registers].map(([id, value]) => ({ addr: Number(id), value })),
  };
}

/** A list of MSRs that somebody took may leave out what every KVM has. */
function withEmulated({ cpuid, msrs }: Content): Content {
  const listed = new Set(msrs.map(({ addr }) => addr));
  return { cpuid, msrs: [...msrs, ...EMULATED_ALWAYS.filter(({ addr }) => !listed.has(addr))] };
}

/** Everything that is to be compared, laid out once. All of one type. */
export interface Bench {
  readonly contracts: readonly PreparedContract[];
  readonly nodes: readonly PreparedNode[];
  readonly layout: Layout;
}

function modelOf({ type }: Layout, signature: number | undefined): NamedModel | undefined {
  if (type === undefined || signature === undefined) return undefined;
  return nameModel(type, decodeSignature(signature));
}

function prepareContract(layout: Layout, contract: CpuContract): PreparedContract {
  const words = guestWords(layout, layOut(layout, contract));
  const signature = signatureOf(contract.cpuid);
  return {
    ...words,
    contract,
    gaps: contractGaps(contract),
    signature,
    model: modelOf(layout, signature),
    needed: neededCapabilities(contract.arch, contract.kvmCapabilities),
    restored: restoredMsrs(contract, layout.type, words.promises),
    nesting: nestingOf(words.promises),
  };
}

interface Offer {
  readonly profile: NodeProfile;
  readonly type: CpuType | undefined;
  readonly content: Content;
}

function prepareNode(layout: Layout, { profile, type, content }: Offer): PreparedNode {
  const words = layOut(layout, content);
  const signature = signatureOf(content.cpuid);
  return {
    profile,
    type,
    words,
    offers: (name) => hasBit(layout, words, name),
    signature,
    model: modelOf(layout, signature),
    msrs: new Set(content.msrs.map(({ addr }) => addr)),
    facts: factsOf(profile),
    missing:
      type === undefined
        ? profile.incomplete
        : missingOf(profile, type, indexEntries(content.cpuid)),
  };
}

function offerOf(profile: NodeProfile): Offer {
  const own = cpuTypeOf(profile.cpu);
  const content = own === undefined ? profile.cpu : withEmulated(offeredBy(profile, own));
  return { profile, type: own, content };
}

/**
 * More contracts and nodes on the layout of a bench, to be compared with what is on it; undefined
 * where some of their words have no place there: then all has to be prepared anew.
 */
export function prepareOn(
  { layout }: Pick<Bench, "layout">,
  contracts: readonly CpuContract[],
  profiles: readonly NodeProfile[],
): Bench | undefined {
  const offers = profiles.map(offerOf);
  const contents = [...contracts, ...offers.map(({ content }) => content)];
  if (!contents.every((content) => hasPlaces(layout, content))) return undefined;
  return {
    layout,
    contracts: contracts.map((contract) => prepareContract(layout, contract)),
    nodes: offers.map((offer) => prepareNode(layout, offer)),
  };
}

export function prepare(
  type: CpuType | undefined,
  contracts: readonly CpuContract[],
  profiles: readonly NodeProfile[],
): Bench {
  const offers = profiles.map(offerOf);
  const layout = layoutOf(type, [...contracts, ...offers.map(({ content }) => content)]);
  return {
    layout,
    contracts: contracts.map((contract) => prepareContract(layout, contract)),
    nodes: offers.map((offer) => prepareNode(layout, offer)),
  };
}

/** The bits of a word that some rule compares; caches, topology and clocks are not among them. */
function comparedBits({ promises, announced, numbersMask, reserved }: Slot): number {
  return promises | announced | numbersMask | reserved;
}

/**
 * Text that is the same for two contracts where every verdict is. A member of a contract counts unless it is named here as one that no rule reads, or that its words say.
 */
export function guestKey(layout: Layout, guest: PreparedContract): string {
  const { contract, gaps, words, signature } = guest;
  const { node: _node, cpuid: _words, msrs, registers, ...others } = contract;
  const listed = msrs.map(({ addr, value }) => `${addr.toString(16)}=${value.toString(16)}`);
  const compared = words.map((word, i) => {
    const slot = layout.slots[i];
    return slot === undefined ? word : word & comparedBits(slot);
  });
  const arm = registers.map(({ id, value }) => `${id.toString(16)}=${value.toString(16)}`);
  return JSON.stringify([others, gaps, signature, listed, arm, [...compared]]);
}
