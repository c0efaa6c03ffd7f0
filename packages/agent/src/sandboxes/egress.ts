/** Changing what a sandbox may reach. */
import type { EgressPolicy, Sandbox } from "@evenkeel/api";
import type { Context } from "./context.ts";
import { AgentError, asVmmError } from "../errors.ts";
import { egressOf, requireEgress } from "./confine.ts";
import { viewOf } from "./record.ts";

/**
 * Throws EGRESS_REFUSED, NETWORK_OFF, WRONG_STATE. A paused sandbox goes on with it; a running one
 * has it from its next packet on.
 */
export async function setSandboxEgress(
  context: Context,
  id: string,
  policy: EgressPolicy,
): Promise<Sandbox> {
  const { sandboxes, cells, events } = context;
  requireEgress(context, policy);
  return sandboxes.exclusive(id, "changing egress rules", async ({ record }) => {
    const { state, network, egress } = record;
    if (!network || (state !== "running" && state !== "paused")) {
      const why = network ? `is ${state}` : "has no network";
      throw new AgentError("WRONG_STATE", `sandbox "${id}" ${why}`);
    }
    // On disk first: an agent that is killed in between finds what was asked for, and applies it.
    const saved = sandboxes.save(id, { egress: policy });
    try {
      if (state === "running") await cells?.setEgress(id, egressOf(policy));
    } catch (error) {
      sandboxes.save(id, { egress });
      throw asVmmError(error, "the egress rules were not changed");
    }
    events.emit("sandbox.egress", id, { egress: policy });
    return viewOf(saved);
  });
}
