/** Changing what a sandbox may reach. */
import type { EgressPolicy, Sandbox } from "@evenkeel/api";
import type { Context } from "./context.ts";
import { AgentError, asVmmError } from "../errors.ts";
import { egressOf, requireEgress } from "./confine.ts";
import { viewOf } from "./record.ts";

/**
 * Throws EGRESS_REFUSED, NETWORK_OFF, WRONG_STATE. Takes effect when a paused sandbox resumes; for
 * a running one, from its next packet on.
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
    // On disk first: after a kill, the next agent finds the requested rules and applies them.
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
