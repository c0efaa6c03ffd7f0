/** The class of a node, as people call it. */
import { classId, type NodeProfile } from "@evenkeel/core";

/** aarch64 nodes and those of unknown vendors are classes by what a verdict sees of them. */
export function classOf(profile: NodeProfile, variant: string): string {
  return classId(profile) ?? `${profile.cpu.arch}-${variant.slice(0, 6)}`;
}
