/** Which members of a node profile changed, for a machine to act on. */
import { profileToJson } from "./file.ts";
import type { NodeProfile } from "./profile.ts";

function spread(profile: NodeProfile): Map<string, string> {
  const { host, kvm, ...rest } = profileToJson(profile);
  const members: Record<string, unknown> = { ...rest };
  for (const [key, value] of Object.entries(host)) members[`host.${key}`] = value;
  for (const [key, value] of Object.entries(kvm ?? {})) members[`kvm.${key}`] = value;
  return new Map(Object.entries(members).map(([key, value]) => [key, JSON.stringify(value) ?? ""]));
}

/** Paths such as `host.microcode` or `cpuid`, in the order of the file. */
export function changedMembers(before: NodeProfile, after: NodeProfile): string[] {
  const [from, to] = [spread(before), spread(after)];
  return [...new Set([...from.keys(), ...to.keys()])].filter(
    (key) => from.get(key) !== to.get(key),
  );
}
