/** The profile of the agent's own node, checked against the machine. */
import { AgentError, type AgentConfig } from "@evenkeel/agent";
import {
  decodeSignature,
  formatFms,
  staleHost,
  staleProfile,
  vendorOfCpu,
  type HostFacts,
  type NodeProfile,
  type Staleness,
  signatureOf,
} from "@evenkeel/core";
import { HostError, probe, readCpuIdentity, readHostFacts, type CpuIdentity } from "@evenkeel/host";
import { profileLoader } from "./documents.ts";
import { probeThisNode } from "./this-node.ts";

const SHOWN = 6;

/** Members that differ between a profile probed elsewhere or earlier and this one. */
const NOT_OPEN: ReadonlySet<string> = new Set(["NO_KVM", "KVM_FORBIDDEN", "NO_FFI"]);

const VENDORS: Readonly<Record<string, string>> = { GenuineIntel: "intel", AuthenticAMD: "amd" };

/** Undefined if KVM cannot be opened. */
async function probeAgain({ name, firecracker }: NodeProfile): Promise<NodeProfile | undefined> {
  try {
    return await probe({ name, firecracker });
  } catch (error) {
    if (error instanceof HostError && NOT_OPEN.has(error.code)) return undefined;
    throw error;
  }
}

/** What is visible without KVM: the host's facts and the CPU model. */
export function staleWithoutKvm(
  { cpu, host }: NodeProfile,
  facts: HostFacts,
  { vendor, family, model, stepping }: CpuIdentity,
): Staleness {
  const { matters, volatile } = staleHost(host, facts);
  const own = vendorOfCpu(cpu.cpuid);
  const there = vendor === undefined ? undefined : (VENDORS[vendor] ?? vendor);
  const found: string[] = [];
  if (own !== there) {
    found.push(`vendor: ${own ?? "unknown"} in the profile, ${there ?? "unknown"} now`);
  }
  const signature = signatureOf(cpu.cpuid);
  const known = family !== undefined && model !== undefined && stepping !== undefined;
  if (signature !== undefined && known) {
    const [from, to] = [decodeSignature(signature), { family, model, stepping }].map(formatFms);
    if (from !== to) found.push(`family/model/stepping: ${from} in the profile, ${to} now`);
  }
  return { matters: [...found, ...matters], volatile };
}

function warn(message: string): void {
  process.stderr.write(`evenkeel agent: ${message}\n`);
}

function listed(changes: readonly string[]): string {
  const more = changes.length - SHOWN;
  return `${changes.slice(0, SHOWN).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}

/** Throws STALE_PROFILE if verdicts based on the profile might be wrong; else warns. */
function hold(path: string, { matters, volatile }: Staleness): void {
  if (matters.length > 0) {
    const message = `${path} does not match this machine: ${listed(matters)}`;
    throw new AgentError("STALE_PROFILE", message);
  }
  if (volatile.length > 0)
    warn(
      `${path}: the machine has changed since, but not in ways that guests see: ${listed(volatile)}`,
    );
}

/**
 * What this node offers: from a profile that is still valid for this machine, else from a probe of
 * its KVM. Throws STALE_PROFILE, and what probing throws.
 */
export async function ownProfile(config: AgentConfig): Promise<NodeProfile> {
  const { profile: path, foreignProfile, versionsDir } = config;
  if (path === undefined) return probeThisNode({ firecrackerDir: versionsDir });
  const profile = profileLoader()(path);
  if (foreignProfile) {
    warn(`${path} is used as this machine's profile without a check (foreignProfile)`);
    return profile;
  }
  const now = await probeAgain(profile);
  if (now === undefined) {
    warn(`KVM is not accessible: only the kernel and the CPU model of ${path} were checked`);
    hold(path, staleWithoutKvm(profile, readHostFacts(), readCpuIdentity()));
    return profile;
  }
  hold(path, staleProfile(profile, now));
  // The clock is calibrated at each boot; snapshots record its current frequency.
  return now.tsc === undefined ? profile : { ...profile, tsc: now.tsc };
}

/** What has changed that verdicts depend on: microcode may be reloaded while the agent runs. */
export async function changesOf(profile: NodeProfile): Promise<readonly string[]> {
  const now = await probeAgain(profile);
  if (now !== undefined) return staleProfile(profile, now).matters;
  return staleWithoutKvm(profile, readHostFacts(), readCpuIdentity()).matters;
}
