/** Classes: nodes whose profiles are the same to a guest. Planning works on classes. */
import { groupBy } from "../group.ts";
import { sha256 } from "../format/digest.ts";
import { compareText } from "../format/text.ts";
import type { CpuType } from "../tables/field.ts";
import { cpuTypeOf } from "../tables/vendors.ts";
import { contentOf } from "./content.ts";
import { cpuModel, type CpuModel } from "./model.ts";
import type { NodeProfile, OfferedCpu } from "./profile.ts";

export interface NodeClass {
  /** Stable: depends on nothing but what a guest can see. */
  readonly id: string;
  readonly nodes: readonly string[];
  readonly profiles: readonly NodeProfile[];
  readonly type: CpuType;
  readonly model: CpuModel;
  readonly kernels: readonly string[];
  readonly microcodes: readonly string[];
  readonly estimate: boolean;
  /** The CPU of the first node by name; its siblings differ from it in nothing a plan decides. */
  readonly cpu: OfferedCpu;
}

function slug(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}

/** Digits of the digest that tell any two of these contents apart, at least six. */
function distinctPrefix(digests: readonly string[]): number {
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

export function classIdentity({ cpu }: NodeProfile): ClassIdentity | undefined {
  const type = cpuTypeOf(cpu);
  if (type === undefined) return undefined;
  return { model: slug(cpuModel(cpu, type).name), digest: sha256(contentOf(cpu, type)) };
}

/** Groups profiles of one type; classes come sorted by age, model and id. */
export function groupIntoClasses(profiles: readonly NodeProfile[], type: CpuType): NodeClass[] {
  const contents = new Map<OfferedCpu, string>();
  const groups = groupBy(profiles, ({ cpu }) => {
    const content = contents.get(cpu) ?? contentOf(cpu, type);
    contents.set(cpu, content);
    return content;
  });
  const digests = new Map([...groups.keys()].map((content) => [content, sha256(content)]));
  const length = distinctPrefix([...digests.values()]);
  return [...groups]
    .map(([content, members]) => {
      const digest = (digests.get(content) ?? "").slice(0, length);
      return classOf(members, type, digest);
    })
    .toSorted(
      (a, b) =>
        (a.model.launched ?? Infinity) - (b.model.launched ?? Infinity) || compareText(a.id, b.id),
    );
}

/**
 * The class that a node is of by itself, with the shortest digest; a pool's may be longer.
 * Undefined for vendors nothing is known about.
 */
export function classId(profile: NodeProfile): string | undefined {
  const type = cpuTypeOf(profile.cpu);
  return type === undefined ? undefined : groupIntoClasses([profile], type)[0]?.id;
}

function classOf(members: readonly NodeProfile[], type: CpuType, digest: string): NodeClass {
  const sorted = members.toSorted((a, b) => compareText(a.name, b.name));
  const first = sorted[0];
  if (first === undefined) throw new Error("a class has at least one node");
  const model = cpuModel(first.cpu, type);
  const kernels = new Set(sorted.flatMap(({ host }) => host.kernel ?? []));
  const microcodes = new Set(sorted.flatMap(({ host }) => host.microcode ?? []));
  return {
    id: `${slug(model.name)}-${digest}`,
    nodes: sorted.map(({ name }) => name),
    profiles: sorted,
    type,
    model,
    kernels: [...kernels].toSorted(compareText),
    microcodes: [...microcodes].toSorted(compareText),
    estimate: sorted.some(({ estimate }) => estimate),
    cpu: first.cpu,
  };
}
