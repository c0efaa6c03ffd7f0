/** Classes: nodes whose profiles are the same to a guest. Planning works on classes. */
import { entryKey, indexEntries, REGISTERS, type CpuidMap } from "../cpuid.ts";
import { sha256 } from "../format/digest.ts";
import { compareText } from "../format/text.ts";
import type { Vendor } from "../tables/field.ts";
import { isFeatureMsr, plannedMasks, plannedMsrMask } from "../tables/masks.ts";
import { decodeSignature, formatFms, modelOf, type FamilyModelStepping } from "../tables/models.ts";
import type { Model } from "../tables/models/model.ts";
import { vendorOfCpu } from "../tables/vendors.ts";
import type { NodeProfile, OfferedCpu } from "./profile.ts";

export interface NodeClass {
  /** Stable: depends on nothing but what a guest can see. */
  readonly id: string;
  /** Sorted by name. */
  readonly nodes: readonly string[];
  /** The same nodes. */
  readonly profiles: readonly NodeProfile[];
  readonly vendor: Vendor;
  readonly signature: FamilyModelStepping;
  readonly model: Model | undefined;
  /** Host kernels of its nodes, sorted, each once. */
  readonly kernels: readonly string[];
  /** Microcode versions of its nodes, sorted, each once. */
  readonly microcodes: readonly string[];
  /** Whether any of its nodes is an estimate. */
  readonly estimate: boolean;
  /** The CPU of the first node by name; its siblings differ from it in nothing a plan decides. */
  readonly cpu: OfferedCpu;
  readonly cpuid: CpuidMap;
  readonly msrs: ReadonlyMap<number, bigint>;
}

/**
 * What makes two CPUs the same to a guest: the entries and their flags, every bit a plan decides,
 * the feature MSRs, and which other MSRs there are. Caches, topology and clock rates are free.
 */
function contentOf(cpu: OfferedCpu, vendor: Vendor): string {
  const parts: string[] = [vendor, cpu.view];
  for (const entry of cpu.cpuid) {
    const { leaf, subleaf, flags } = entry;
    const mask = plannedMasks(vendor, leaf, subleaf);
    const words = REGISTERS.map((register) => (entry[register] & mask[register]) >>> 0);
    parts.push(`${entryKey(leaf, subleaf)}/${flags}:${words.join(",")}`);
  }
  for (const { addr, value } of cpu.msrs) {
    const planned = isFeatureMsr(vendor, addr) ? value & plannedMsrMask(vendor, addr) : 0n;
    parts.push(`${addr.toString(16)}=${planned.toString(16)}`);
  }
  return parts.join("\n");
}

export function slug(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}

function describe(cpu: OfferedCpu, vendor: Vendor) {
  const cpuid = indexEntries(cpu.cpuid);
  const signature = decodeSignature(cpuid.get(entryKey(1, 0))?.eax ?? 0);
  return { cpuid, signature, model: modelOf(vendor, signature) };
}

export function modelName(vendor: Vendor, signature: FamilyModelStepping): string {
  return modelOf(vendor, signature)?.name ?? `${vendor} ${formatFms(signature)}`;
}

/** Digits of the digest that tell any two of these contents apart, at least six. */
export function distinctPrefix(digests: readonly string[]): number {
  for (let length = 6; length < 64; length++) {
    if (new Set(digests.map((d) => d.slice(0, length))).size === digests.length) return length;
  }
  return 64;
}

/** What a class is called, before and after the `-` in its id; the digest is whole. */
export interface ClassIdentity {
  readonly model: string;
  readonly digest: string;
}

export function classIdentity({ cpu }: NodeProfile, vendor: Vendor): ClassIdentity {
  const { signature } = describe(cpu, vendor);
  return { model: slug(modelName(vendor, signature)), digest: sha256(contentOf(cpu, vendor)) };
}

/** Groups x86 profiles of one vendor; classes come sorted by age, model and id. */
export function groupIntoClasses(profiles: readonly NodeProfile[], vendor: Vendor): NodeClass[] {
  const contents = new Map<OfferedCpu, string>();
  const groups = new Map<string, NodeProfile[]>();
  for (const profile of profiles) {
    let content = contents.get(profile.cpu);
    if (content === undefined) {
      content = contentOf(profile.cpu, vendor);
      contents.set(profile.cpu, content);
    }
    const group = groups.get(content);
    if (group === undefined) groups.set(content, [profile]);
    else group.push(profile);
  }
  const digests = new Map([...groups.keys()].map((content) => [content, sha256(content)]));
  const length = distinctPrefix([...digests.values()]);
  return [...groups]
    .map(([content, members]) => {
      const digest = (digests.get(content) ?? "").slice(0, length);
      return classOf(members, vendor, digest);
    })
    .toSorted(
      (a, b) =>
        (a.model?.launched ?? Infinity) - (b.model?.launched ?? Infinity) ||
        compareText(a.id, b.id),
    );
}

/**
 * The class that a node is of by itself, with the shortest digest; a pool's may be longer.
 * Undefined for aarch64 and for vendors nothing is known about.
 */
export function classId(profile: NodeProfile): string | undefined {
  const vendor = vendorOfCpu(profile.cpu.cpuid);
  return vendor === undefined ? undefined : groupIntoClasses([profile], vendor)[0]?.id;
}

function classOf(members: readonly NodeProfile[], vendor: Vendor, digest: string): NodeClass {
  const sorted = members.toSorted((a, b) => compareText(a.name, b.name));
  const first = sorted[0];
  if (first === undefined) throw new Error("a class has at least one node");
  const { cpuid, signature, model } = describe(first.cpu, vendor);
  const kernels = new Set(sorted.flatMap(({ host }) => host.kernel ?? []));
  const microcodes = new Set(sorted.flatMap(({ host }) => host.microcode ?? []));
  return {
    id: `${slug(modelName(vendor, signature))}-${digest}`,
    nodes: sorted.map(({ name }) => name),
    profiles: sorted,
    vendor,
    signature,
    model,
    kernels: [...kernels].toSorted(compareText),
    microcodes: [...microcodes].toSorted(compareText),
    estimate: sorted.some(({ estimate }) => estimate),
    cpu: first.cpu,
    cpuid,
    msrs: new Map(first.cpu.msrs.map(({ addr, value }) => [addr, value])),
  };
}
