/** Extending a sandbox's life, and ending it. */
import type { Sandbox } from "@evenkeel/contract";
import type { Context } from "../context.ts";
import { AgentError } from "../errors.ts";
import { deadlineIn, detach } from "./lifecycle.ts";
import { viewOf } from "./record.ts";

export async function extendSandbox(
  { sandboxes, events }: Context,
  id: string,
  seconds: number,
): Promise<Sandbox> {
  return sandboxes.exclusive(id, "being extended", async ({ record }) => {
    if (record.state !== "running" && record.state !== "failed") {
      throw new AgentError("WRONG_STATE", `sandbox "${id}" is ${record.state}: it has no deadline`);
    }
    const deadline = deadlineIn(seconds);
    const saved = sandboxes.save(id, { deadline });
    events.emit("sandbox.extended", id, { deadline });
    return viewOf(saved);
  });
}

/** Removes everything that is a sandbox's own. May be called again after a crash. */
export async function removeSandbox(context: Context, id: string): Promise<void> {
  const { sandboxes, snapshots } = context;
  const { vm } = sandboxes.get(id);
  sandboxes.save(id, { state: "killing" });
  await detach(context, id, vm);
  for (const { metadata } of snapshots.list()) {
    if (metadata.sandbox === id && metadata.name.startsWith(`${id}.`)) {
      await snapshots.remove(metadata.name);
    }
  }
  sandboxes.remove(id);
}

export function killSandbox(context: Context, id: string, why = "asked to"): Promise<void> {
  const { sandboxes, events } = context;
  return sandboxes.exclusive(id, "being killed", async () => {
    await removeSandbox(context, id);
    events.emit("sandbox.killed", id, { why });
  });
}
