/** Pools that cannot be one pool, and why. */
import { groupBy } from "../group.ts";
import { CoreError } from "../errors.ts";
import { leafAddress } from "../format/address.ts";
import { isEmulator } from "../tables/releases.ts";
import { compareText, listOf } from "../format/text.ts";
import { templateDoubt } from "../profile/kvm-facts.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { cpuTypeOf, vendorOf, vendorString } from "../tables/vendors.ts";
import type { Violation } from "./prove.ts";

type RefusalCode =
  | "architecture"
  | "vendor"
  | "unknown-vendor"
  | "unsupported"
  | "incomplete"
  | "unenforced"
  | "requirement"
  | "verdict"
  | "lint"
  | "microcode"
  | "unwritable"
  | "unreachable";

export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
  readonly hint: string;
  readonly nodes: readonly string[];
}

export function refusal(
  code: RefusalCode,
  message: string,
  hint: string,
  nodes: readonly string[] = [],
): Refusal {
  return { code, message, hint, nodes };
}

function groupNames<K>(
  profiles: readonly NodeProfile[],
  key: (profile: NodeProfile) => K,
): Map<K, string[]> {
  const groups = [...groupBy(profiles, key)];
  return new Map(groups.map(([of, own]) => [of, own.map(({ name }) => name)]));
}

export function someOf(names: readonly string[]): string {
  const sorted = names.toSorted(compareText);
  if (sorted.length <= 4) return listOf(sorted);
  return `${sorted.slice(0, 3).join(", ")} and ${sorted.length - 3} more`;
}

const SEPARATE_POOLS = "Plan one pool per vendor and architecture.";

function refuseArchitectures(profiles: readonly NodeProfile[]): Refusal | undefined {
  if (profiles.every(({ cpu }) => cpu.arch === profiles[0]?.cpu.arch)) return undefined;
  const arches = groupNames(profiles, ({ cpu }) => cpu.arch);
  const parts = [...arches].map(([arch, names]) => `${arch} (${someOf(names)})`);
  const message = `no snapshot moves between architectures: ${listOf(parts.toSorted(compareText))}`;
  return refusal("architecture", message, SEPARATE_POOLS);
}

function leaf0(profile: NodeProfile) {
  return profile.cpu.cpuid.find(({ leaf }) => leaf === 0);
}

function perCpu<T extends string>(ask: (profile: NodeProfile) => T): (profile: NodeProfile) => T {
  const known = new Map<NodeProfile["cpu"], T>();
  return (profile) => {
    const answer = known.get(profile.cpu) ?? ask(profile);
    known.set(profile.cpu, answer);
    return answer;
  };
}

function refuseVendors(profiles: readonly NodeProfile[]): Refusal | undefined {
  const spelled = perCpu((profile) => {
    const entry = leaf0(profile);
    return entry === undefined ? (cpuTypeOf(profile.cpu) ?? "") : vendorString(entry);
  });
  const vendors = groupNames(profiles, spelled);
  const nameless = vendors.get("");
  if (nameless !== undefined) {
    const message = `${leafAddress(0, 0)} is missing from ${someOf(nameless)}: the vendor is unknown`;
    return refusal("incomplete", message, PROBE_AGAIN, nameless);
  }
  if (vendors.size > 1) {
    const parts = [...vendors].map(([name, nodes]) => `${name} (${someOf(nodes)})`);
    const message =
      `no snapshot moves between vendors: ${listOf(parts.toSorted(compareText))}. Their XSAVE ` +
      "areas are laid out differently (PKRU at 0xa80 on Intel, 0x980 on AMD), SYSCALL and " +
      "SYSENTER differ, and their guests use different MSRs";
    return refusal("vendor", message, SEPARATE_POOLS);
  }
  const [only] = vendors.keys();
  const first = profiles[0] === undefined ? undefined : leaf0(profiles[0]);
  if (first === undefined || vendorOf(first) !== undefined) return undefined;
  const message = `${JSON.stringify(only)} is not a known CPU vendor`;
  const nodes = profiles.map(({ name }) => name);
  return refusal("unknown-vendor", message, "Intel and AMD are supported.", nodes);
}

const PROBE_AGAIN = "Probe the node again; a plan never guesses missing facts.";

export function refuseMixtures(profiles: readonly NodeProfile[]): Refusal | undefined {
  return refuseArchitectures(profiles) ?? refuseVendors(profiles);
}

export function refuseIncomplete(
  profiles: readonly NodeProfile[],
  missingOf: (profile: NodeProfile) => readonly string[],
): Refusal[] {
  const byCpu = new Map<NodeProfile["cpu"], Map<string, readonly string[]>>();
  const refusals = new Map<string, string[]>();
  for (const profile of profiles) {
    const { cpu, host, incomplete, firecracker } = profile;
    const known = byCpu.get(cpu) ?? new Map<string, readonly string[]>();
    byCpu.set(cpu, known);
    const isEmulated = firecracker.length > 0 && firecracker.every(isEmulator);
    const key = JSON.stringify([host.kernel, isEmulated, incomplete]);
    const missing = known.get(key) ?? missingOf(profile);
    known.set(key, missing);
    if (missing.length === 0) continue;
    const what = missing.join("; ");
    refusals.set(what, [...(refusals.get(what) ?? []), profile.name]);
  }
  return [...refusals].map(([what, nodes]) => {
    const message = `${someOf(nodes)}: too incomplete to plan safely: ${what}`;
    return refusal("incomplete", message, PROBE_AGAIN, nodes);
  });
}

/** Nodes on which templates have no effect: a plan for them would be proven and still wrong. */
export function refuseUnenforced(profiles: readonly NodeProfile[]): Refusal[] {
  return [...groupNames(profiles, templateDoubt)].flatMap(([doubt, nodes]): Refusal[] => {
    if (doubt === undefined) return [];
    const message = `${someOf(nodes)} may not enforce CPU templates: ${doubt}`;
    return [refusal("unenforced", message, OWN_POOL, nodes)];
  });
}

const OWN_POOL =
  "Leave such nodes out, or run a KVM there that enforces CPUID (kvm_intel or kvm_amd on hardware).";

export function refuseDuplicateNames(profiles: readonly NodeProfile[]): void {
  const seen = new Set(profiles.map(({ name }) => name));
  if (seen.size === profiles.length) return;
  const twice = new Set<string>();
  for (const { name } of profiles) if (!seen.delete(name)) twice.add(name);
  const problems = [...twice]
    .toSorted(compareText)
    .slice(0, 10)
    .map((name) => ({ path: "", message: `more than one node is named "${name}"` }));
  throw new CoreError("DUPLICATE_NODE", problems);
}

export function unreachableFields(violations: readonly Violation[]): Refusal[] {
  const unique = new Map(violations.map((v) => [`${v.class} ${v.address} ${v.problem}`, v]));
  return [...unique.values()].slice(0, 20).map((v) => {
    const message = `${v.address} on ${v.class}: ${v.problem} (Firecracker ${v.firecracker})`;
    return refusal("unreachable", message, "Plan this class as a separate pool.");
  });
}
