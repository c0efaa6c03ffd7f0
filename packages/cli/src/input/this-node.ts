/** This machine as a node, for commands that are about the node they run on. */
import type { NodeProfile } from "@evenkeel/core";
import { installedFirecrackers } from "./firecrackers.ts";

export interface ThisNodeFlags {
  readonly name?: string;
  readonly firecrackerDir?: string;
  readonly kvm?: string;
}

/** Probes this machine's KVM. Throws NO_KVM, KVM_FORBIDDEN, KVM_FAILED or NO_FFI. */
export async function probeThisNode(flags: ThisNodeFlags = {}): Promise<NodeProfile> {
  const { name, firecrackerDir, kvm } = flags;
  const { probe } = await import("@evenkeel/host");
  const { versions, problems } = await installedFirecrackers(firecrackerDir);
  for (const problem of problems) process.stderr.write(`evenkeel: ${problem}\n`);
  return probe({
    firecracker: versions,
    ...(name === undefined ? {} : { name }),
    ...(kvm === undefined ? {} : { kvm }),
  });
}
