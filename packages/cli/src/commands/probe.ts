/** `evenkeel probe`: what can this machine offer a guest? */
import { hostname } from "node:os";
import { formatProfile, inFile, profileOf, readText, type NodeProfile } from "@evenkeel/core";
import { readHostFacts, readRawCpu } from "@evenkeel/host";
import { CliError } from "../errors.ts";
import { installedFirecrackers } from "../input/firecrackers.ts";
import { probeThisNode } from "../input/this-node.ts";
import { writeFileWhole } from "../output/write-files.ts";
import { probeReport } from "../render/probe.ts";

export interface ProbeFlags {
  readonly out?: string;
  readonly name?: string;
  readonly firecrackerDir?: string;
  readonly kvm: string;
  readonly raw?: boolean;
  readonly watch?: boolean;
  readonly interval: string;
  readonly json?: boolean;
}

/** An estimate: what KVM of the running kernel would probably offer with this CPU. */
async function estimateOnce(name: string, firecracker: readonly string[]): Promise<NodeProfile> {
  const { text, source } = await readRawCpu();
  const host = readHostFacts();
  const estimate = inFile(source, () => profileOf(readText(text, { name, kernel: host.kernel })));
  return { ...estimate, name, host: { ...estimate.host, ...host }, firecracker };
}

async function probeOnce(flags: ProbeFlags): Promise<NodeProfile> {
  if (flags.raw !== true) return probeThisNode(flags);
  const { versions } = await installedFirecrackers(flags.firecrackerDir);
  return estimateOnce(flags.name ?? hostname(), versions);
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds >= 1) return seconds;
  throw new CliError("USAGE", `--interval must be at least 1 second, but is "${text}"`);
}

/** Exit code 0 even where the node enforces nothing: that is a fact, not a failure. */
export async function runProbe(flags: ProbeFlags): Promise<number> {
  const seconds = secondsOf(flags.interval);
  if (flags.name === "") throw new CliError("USAGE", "--name must not be empty");
  if (flags.watch === true) {
    const { watchNode } = await import("./probe-watch.ts");
    return watchNode(() => probeOnce(flags), flags, seconds);
  }
  const profile = await probeOnce(flags);
  const text = formatProfile(profile);
  if (flags.out !== undefined) writeFileWhole(flags.out, text);
  process.stdout.write(flags.json === true ? text : probeReport(profile, flags.out));
  return 0;
}
