/** Classes of aarch64 nodes: the same registers, and the same in all that describes the CPU. */
import { mask64 } from "../../bits.ts";
import type { ArmRegister } from "../../cpuid.ts";
import { sha256 } from "../../format/digest.ts";
import { compareText } from "../../format/text.ts";
import { distinctPrefix, slug, type ClassIdentity } from "../class.ts";
import type { NodeProfile } from "../profile.ts";
import { describesCpu, isAlwaysThere, isCacheGeometry } from "../../tables/arm/lookup.ts";
import { armModel } from "../../tables/arm/models.ts";
import { MIDR_EL1, MPIDR_EL1 } from "../../tables/arm/others.ts";
import { writerOf, type ArmWriter } from "./takes.ts";

export interface ArmClass {
  /** Stable: depends on nothing but what a guest can see. */
  readonly id: string;
  /** Sorted by name. */
  readonly nodes: readonly string[];
  readonly model: string;
  /** Host kernels of its nodes, sorted, each once. */
  readonly kernels: readonly string[];
  /** Whether any of its nodes is an estimate. */
  readonly estimate: boolean;
  /** Of the first node by name, by id. */
  readonly registers: ReadonlyMap<bigint, bigint>;
  /** What its nodes' KVMs take, each once. */
  readonly writers: readonly ClassWriter[];
}

/** Nodes of a class whose KVM takes the same writes, as far as is known. */
interface ClassWriter {
  readonly writer: ArmWriter;
  /** Sorted by name. */
  readonly nodes: readonly string[];
}

const WORD = mask64(63, 0);

/** What a verdict looks at of a register: all that describes the CPU, but the vCPU's own place. */
function classMask(id: bigint): bigint {
  return id !== MPIDR_EL1 && (describesCpu(id) || isCacheGeometry(id)) ? WORD : 0n;
}

function contentOf(registers: readonly ArmRegister[]): string {
  return registers
    .filter(({ id }) => !isAlwaysThere(id))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, value }) => `${id.toString(16)}=${(value & classMask(id)).toString(16)}`)
    .join("\n");
}

export function armClassIdentity({ cpu }: NodeProfile): ClassIdentity {
  const midr = cpu.registers.find(({ id }) => id === MIDR_EL1)?.value ?? 0n;
  return { model: slug(armModel(midr)), digest: sha256(contentOf(cpu.registers)) };
}

/** Groups aarch64 profiles; classes come sorted by model and id. */
export function groupArmClasses(profiles: readonly NodeProfile[]): ArmClass[] {
  const groups = new Map<string, NodeProfile[]>();
  for (const profile of profiles) {
    const content = contentOf(profile.cpu.registers);
    const group = groups.get(content);
    if (group === undefined) groups.set(content, [profile]);
    else group.push(profile);
  }
  const digests = new Map([...groups.keys()].map((content) => [content, sha256(content)]));
  const length = distinctPrefix([...digests.values()]);
  return [...groups]
    .map(([content, members]) => classOf(members, (digests.get(content) ?? "").slice(0, length)))
    .toSorted((a, b) => compareText(a.id, b.id));
}

/** Text that is the same where two nodes' KVMs are known to take the same writes. */
export function armWriterKey({ host, kvm }: NodeProfile): string {
  const { release, distribution } = writerOf(host.kernel, kvm);
  const fields = kvm?.takenFields?.map(({ id, hi, lo, values, ignored }) =>
    [id.toString(16), hi, lo, values.join(), ignored.join()].join(":"),
  );
  return `${release ?? "?"} ${distribution} ${fields?.join(" ") ?? "untried"}`;
}

/** `members` sorted by name. */
function writersOf(members: readonly NodeProfile[]): ClassWriter[] {
  const groups = new Map<string, NodeProfile[]>();
  for (const member of members) {
    const key = armWriterKey(member);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [member]);
    else group.push(member);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const writer = writerOf(first.host.kernel, first.kvm);
    return { writer, nodes: group.map(({ name }) => name) };
  });
}

function classOf(members: readonly NodeProfile[], digest: string): ArmClass {
  const sorted = members.toSorted((a, b) => compareText(a.name, b.name));
  const registers = new Map(sorted[0]?.cpu.registers.map(({ id, value }) => [id, value]));
  const model = armModel(registers.get(MIDR_EL1) ?? 0n);
  const kernels = new Set(sorted.flatMap(({ host }) => host.kernel ?? []));
  return {
    id: `${slug(model)}-${digest}`,
    nodes: sorted.map(({ name }) => name),
    model,
    kernels: [...kernels].toSorted(compareText),
    estimate: sorted.some(({ estimate }) => estimate),
    registers,
    writers: writersOf(sorted),
  };
}
