/** Nodes that no rule of a verdict tells apart, so that a fleet is a few dozen rows. */
import { groupBy } from "../group.ts";
import type { CpuContract } from "../contract/contract.ts";
import { compareText } from "../format/text.ts";
import { sha256 } from "../format/digest.ts";
import { classIdentity, groupIntoClasses } from "../profile/class.ts";
import { kernelLine } from "../tables/kernels.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { CPU_TYPES } from "../tables/field.ts";
import { cpuTypeOf } from "../tables/vendors.ts";
import { JUDGES } from "./circumstances.ts";
import { factsKeys, factsText } from "./facts.ts";
import { profileDigest, type MatrixEntry } from "./matrix.ts";

/** Every fact that some judge reads; what completes a profile is read before them. */
const READ = [...new Set(["incomplete" as const, ...JUDGES.flatMap(({ reads }) => reads)])];

export function circumstances(): (profile: NodeProfile) => string {
  return factsKeys(READ);
}

/** A digest that two nodes share only where every verdict on them is the same. */
export function verdictKey(profile: NodeProfile): string {
  const [type, identity] = [cpuTypeOf(profile.cpu), classIdentity(profile)];
  if (type === undefined || identity === undefined) return profileDigest(profile);
  return sha256(JSON.stringify([type, identity, factsText(READ, profile)]));
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
  for (const type of CPU_TYPES) {
    const own = sorted.filter(({ cpu }) => cpuTypeOf(cpu) === type);
    for (const nodeClass of groupIntoClasses(own, type)) {
      for (const alike of groupBy(nodeClass.profiles, keyOf).values()) add(nodeClass.id, alike);
    }
  }
  const strangers = sorted.filter(({ cpu }) => cpuTypeOf(cpu) === undefined);
  for (const profile of strangers) add(profile.name, [profile]);
  return entries;
}
