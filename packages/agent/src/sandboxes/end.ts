/** Extending a sandbox's life, and ending it. */
import type { Sandbox } from "@evenkeel/api";
import type { Context } from "../context.ts";
import { AgentError, messageOf } from "../errors.ts";
import { deadlineIn, detach } from "./lifecycle.ts";
import { viewOf } from "./record.ts";
import { namesOf } from "./take.ts";

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

/** On a full disk nothing can be noted; ending a sandbox is what makes room. */
function noteKilling({ sandboxes, report }: Context, id: string): void {
  try {
    sandboxes.save(id, { state: "killing" });
  } catch (error) {
    report(`sandbox ${id}, about to be ended`, messageOf(error));
  }
}

/** Removes everything that is a sandbox's own. May be called again after a crash. */
export async function removeSandbox(context: Context, id: string): Promise<void> {
  const { sandboxes, snapshots } = context;
  noteKilling(context, id);
  await detach(context, id, sandboxes.get(id).vm);
  for (const name of namesOf(snapshots, id)) await snapshots.remove(name);
  sandboxes.remove(id);
}

export function killSandbox(context: Context, id: string, why = "asked to"): Promise<void> {
  const { sandboxes, events } = context;
  return sandboxes.exclusive(id, "being killed", async () => {
    await removeSandbox(context, id);
    events.emit("sandbox.killed", id, { why });
  });
}
