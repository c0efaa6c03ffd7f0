/** Which class of a plan a node belongs to: what it offers decides, its name only explains. */
import { classIdentity, type ClassIdentity } from "../profile/class.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuType } from "../tables/field.ts";
import { cpuTypeOf } from "../tables/vendors.ts";
import type { Accepted } from "./accepted.ts";
import type { GuestCpu } from "./guest-cpu.ts";

export interface PlanFileClass {
  readonly id: string;
  readonly nodes: readonly string[];
  readonly template: string;
  /** Names of what the class offers and the pool does not have; undefined where it does not say. */
  readonly givesUp: readonly string[] | undefined;
}

export interface PlanFile {
  readonly type: CpuType;
  readonly firecracker: readonly string[];
  readonly classes: readonly PlanFileClass[];
  /** What the operator accepted with `--accept`; undefined: nothing. */
  readonly accepted: Accepted | undefined;
  readonly guest: GuestCpu;
}

export type ClassMatch =
  /** The node offers what this class offers, whether the plan names it or not. */
  | { readonly kind: "found"; readonly planned: PlanFileClass }
  /** The plan names the node, but it offers something else now: a new kernel, microcode, BIOS. */
  | { readonly kind: "changed"; readonly planned: PlanFileClass }
  | { readonly kind: "unknown" };

/** A class's id ends with the first digits, six at least, of its digest. */
function isCalled(id: string, { model, digest }: ClassIdentity): boolean {
  const dash = id.lastIndexOf("-");
  const digits = id.slice(dash + 1);
  return id.slice(0, dash) === model && digits.length >= 6 && digest.startsWith(digits);
}

export function findPlannedClass(plan: PlanFile, profile: NodeProfile): ClassMatch {
  const identity = cpuTypeOf(profile.cpu) === plan.type ? classIdentity(profile) : undefined;
  const found = plan.classes.find(({ id }) => identity !== undefined && isCalled(id, identity));
  if (found !== undefined) return { kind: "found", planned: found };
  const named = plan.classes.find(({ nodes }) => nodes.includes(profile.name));
  return named === undefined ? { kind: "unknown" } : { kind: "changed", planned: named };
}
