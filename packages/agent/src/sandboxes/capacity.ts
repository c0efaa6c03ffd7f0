/** Whether the node has room for another guest: their number, and their memory. */
import type { Context } from "./context.ts";
import { AgentError } from "../errors.ts";
import { isLive } from "./record.ts";

/** Throws NODE_FULL. Nothing may be awaited between this and noting the guest. */
export function requireCapacity({ sandboxes, settings, builds }: Context, memoryMib: number): void {
  const { maxSandboxes, maxMemoryMib } = settings;
  const live = sandboxes.list().filter(({ record }) => isLive(record));
  const memories = [...live.map(({ record }) => record.memoryMib), ...builds.values()];
  if (memories.length >= maxSandboxes) {
    const message = `${memories.length} guests run on this node, which is the limit`;
    throw new AgentError("NODE_FULL", message);
  }
  const taken = memories.reduce((sum, mib) => sum + mib, 0);
  if (taken + memoryMib <= maxMemoryMib) return;
  const message = `a guest of ${memoryMib} MiB does not fit: ${taken} of ${maxMemoryMib} MiB are in use`;
  throw new AgentError("NODE_FULL", message);
}
