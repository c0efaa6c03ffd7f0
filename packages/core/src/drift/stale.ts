/** Whether a node's profile still describes the machine that it is used on. */
import { armWriterKey } from "../profile/arm/takes.ts";
import { isSameTsc } from "../firecracker/tsc.ts";
import { kernelLine } from "../tables/kernels.ts";
import { templateDoubt } from "../profile/kvm-facts.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { vendorOfCpu } from "../tables/vendors.ts";
import type { Finding } from "../verdict/finding.ts";
import { driftOf, type Drift } from "./drift.ts";

export interface Staleness {
  /** Verdicts that go by the profile may be false. */
  readonly matters: readonly string[];
  /** Only what means nothing to guests. */
  readonly volatile: readonly string[];
}

function change(name: string, from: string | undefined, to: string | undefined): string {
  return `${name}: ${from ?? "absent"} in the profile, ${to ?? "absent"} now`;
}

function isAnotherLine(from: string | undefined, to: string | undefined): boolean {
  return from !== undefined && to !== undefined && kernelLine(from) !== kernelLine(to);
}

/** Facts of the host that both name, and not alike. Each boot has another id. */
export function staleHost(before: NodeProfile["host"], now: NodeProfile["host"]): Staleness {
  const matters: string[] = [];
  const volatile: string[] = [];
  const keys = ["kernel", "microcode", "biosVersion", "biosRevision", "smt", "hypervisor"] as const;
  for (const key of keys) {
    const [from, to] = [before[key], now[key]];
    if (from === undefined || to === undefined || from === to) continue;
    const another = key === "kernel" && isAnotherLine(from, to);
    (another ? matters : volatile).push(change(key, from, to));
  }
  return { matters, volatile };
}

/** A node that verdicts take for worse, or for better, than it is. */
function enforcementChange(before: NodeProfile, now: NodeProfile): string[] {
  const [was, is] = [templateDoubt(before), templateDoubt(now)];
  if (was === is) return [];
  return [`enforcement: ${is ?? "templates are enforced now"}`];
}

/** aarch64: a template or a snapshot that was taken and is not, or the other way round. */
function writesChange(before: NodeProfile, now: NodeProfile): string[] {
  if (before.kvm?.takenFields === undefined || now.kvm?.takenFields === undefined) return [];
  if (armWriterKey(before) === armWriterKey(now)) return [];
  return ["ID registers: KVM now accepts different values for their fields"];
}

function tscChange({ tsc: before }: NodeProfile, { tsc: now }: NodeProfile): string[] {
  if (before === undefined || now === undefined) return [];
  const changes: string[] = [];
  if (!isSameTsc(before.khz, now.khz)) {
    changes.push(change("TSC", `${before.khz} kHz`, `${now.khz} kHz`));
  }
  if (before.scaling !== undefined && before.scaling !== now.scaling) {
    changes.push(change("TSC scaling", String(before.scaling), String(now.scaling)));
  }
  return changes;
}

function keyOf({ rule, address, name, consequence }: Finding): string {
  return JSON.stringify([rule, address, name, consequence]);
}

/** What a verdict on snapshots from before finds now, and would not have found then. */
function newFindings(then: Drift, drift: Drift): string[] {
  const known = new Set(then.snapshots.findings.map(keyOf));
  return drift.snapshots.findings
    .filter((finding) => finding.severity !== "note" && !known.has(keyOf(finding)))
    .map(({ name, promised, offered, consequence }) =>
      promised === undefined && offered === undefined
        ? `${name}: ${consequence}`
        : change(name, promised, offered),
    );
}

export function staleProfile(before: NodeProfile, now: NodeProfile): Staleness {
  const [from, to] = [before, now].map(({ cpu }) => vendorOfCpu(cpu.cpuid) ?? "unknown");
  if (before.cpu.arch !== now.cpu.arch) {
    return { matters: [change("architecture", before.cpu.arch, now.cpu.arch)], volatile: [] };
  }
  if (from !== to) return { matters: [change("vendor", from, to)], volatile: [] };
  const drift = driftOf(before, now);
  const host = staleHost(before.host, now.host);
  const matters = [
    ...drift.changes.seen.map(({ name, address, a, b }) => change(`${name} (${address})`, a, b)),
    ...enforcementChange(before, now),
    ...writesChange(before, now),
    ...tscChange(before, now),
    ...host.matters,
  ];
  // What is seen to change explains what verdicts find.
  const rest = matters.length > 0 ? [] : newFindings(driftOf(before, before), drift);
  return { matters: [...matters, ...rest], volatile: host.volatile };
}
