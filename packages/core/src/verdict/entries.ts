/** Nodes that no rule of a verdict tells apart, so that a fleet is a few dozen rows. */
import { armClassIdentity, groupArmClasses } from "../arm/class.ts";
import type { CpuContract } from "../contract/contract.ts";
import { compareText } from "../format/text.ts";
import { sha256 } from "../format/digest.ts";
import { classIdentity, groupIntoClasses } from "../profile/class.ts";
import { kernelLine } from "../profile/kernel.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { vendorOfCpu } from "../tables/vendors.ts";
import { JUDGES } from "./circumstances.ts";
import { factsKeys, factsText } from "./facts.ts";
import { profileDigest, type MatrixEntry } from "./matrix.ts";

/** Every fact that some judge reads; what completes a profile is read before them. */
const READ = [...new Set(["incomplete" as const, ...JUDGES.flatMap(({ reads }) => reads)])];

/** Makes keys of what a verdict looks at besides the class, for the nodes of one fleet. */
export function circumstances(): (profile: NodeProfile) => string {
  return factsKeys(READ);
}

/**
 * A digest that two nodes share only where every verdict on them is the same, whatever the
 * contract. Nodes of a class may differ in it: by kernel line, TSC, KVM capabilities, Firecracker
 * releases.
 */
export function verdictKey(profile: NodeProfile): string {
  const { arch, cpuid } = profile.cpu;
  const vendor = vendorOfCpu(cpuid);
  if (arch !== "aarch64" && vendor === undefined) return profileDigest(profile);
  const identity =
    vendor === undefined || arch === "aarch64"
      ? armClassIdentity(profile)
      : classIdentity(profile, vendor);
  return sha256(JSON.stringify([arch, vendor ?? null, identity, factsText(READ, profile)]));
}

function labelOf(id: string, { host }: NodeProfile, taken: ReadonlySet<string>): string {
  const kernel = kernelLine(host.kernel);
  const candidates = [id, `${id}@${kernel ?? "?"}`];
  for (let n = 2; ; n++) {
    const free = candidates.find((label) => !taken.has(label));
    if (free !== undefined) return free;
    candidates.push(`${id}@${kernel ?? "?"}#${n}`);
  }
}

/** Groups profiles; `contractOf` predicts the snapshot that the first node of a group takes. */
export function matrixEntries(
  profiles: readonly NodeProfile[],
  contractOf: (profile: NodeProfile) => CpuContract,
): MatrixEntry[] {
  const sorted = profiles.toSorted((a, b) => compareText(a.name, b.name));
  const entries: MatrixEntry[] = [];
  const taken = new Set<string>();
  const keyOf = circumstances();
  const add = (id: string, members: readonly NodeProfile[]) => {
    const [profile] = members;
    if (profile === undefined) return;
    const label = labelOf(id, profile, taken);
    taken.add(label);
    const nodes = members.map(({ name }) => name);
    entries.push({ label, nodes, profile, contract: contractOf(profile) });
  };
  const addClasses = (
    own: readonly NodeProfile[],
    classes: readonly { readonly id: string; readonly nodes: readonly string[] }[],
  ) => {
    const byName = new Map(own.map((profile) => [profile.name, profile]));
    for (const { id, nodes } of classes) {
      const groups = new Map<string, NodeProfile[]>();
      for (const name of nodes) {
        const member = byName.get(name);
        if (member === undefined) continue;
        const key = keyOf(member);
        const group = groups.get(key);
        if (group === undefined) groups.set(key, [member]);
        else group.push(member);
      }
      for (const members of groups.values()) add(id, members);
    }
  };
  for (const vendor of ["intel", "amd"] as const) {
    const own = sorted.filter((profile) => vendorOfCpu(profile.cpu.cpuid) === vendor);
    addClasses(own, groupIntoClasses(own, vendor));
  }
  const arm = sorted.filter(({ cpu }) => cpu.arch === "aarch64");
  addClasses(arm, groupArmClasses(arm));
  for (const profile of sorted) {
    const { arch, cpuid } = profile.cpu;
    if (arch !== "aarch64" && vendorOfCpu(cpuid) === undefined) add(profile.name, [profile]);
  }
  return entries;
}
