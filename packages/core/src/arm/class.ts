/** Classes of aarch64 nodes: the same registers, and the same in all that describes the CPU. */
import type { ArmRegister } from "../cpuid.ts";
import { sha256 } from "../format/digest.ts";
import { compareText } from "../format/text.ts";
import { distinctPrefix, slug, type ClassIdentity } from "../profile/class.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { armFields, armPlannedMask, isCacheGeometry } from "./lookup.ts";
import { armModel } from "./models.ts";
import { MIDR_EL1 } from "./others.ts";

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
}

/** Bits that make two nodes different: all that a plan decides, who the CPU is, and its caches. */
function classMask(id: bigint): bigint {
  const identity = armFields(id).some(({ kind }) => kind === "identity");
  return identity || isCacheGeometry(id) ? 2n ** 64n - 1n : armPlannedMask(id);
}

function contentOf(registers: readonly ArmRegister[]): string {
  return registers
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
  };
}
