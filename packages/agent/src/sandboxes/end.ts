/** Extending a sandbox's life, and ending it. */
import type { Sandbox } from "@evenkeel/api";
import type { Context } from "./context.ts";
import { AgentError } from "../errors.ts";
import { deadlineIn, detach } from "./lifecycle.ts";
import { reapVm } from "./find-vm.ts";
import { viewOf } from "./record.ts";
import { namesOf } from "./take.ts";
import { removeVmDirectory } from "./vm-directory.ts";

export async function extendSandbox(
  { sandboxes, events }: Context,
  id: string,
  seconds: number,
): Promise<Sandbox> {
  return sandboxes.exclusive(id, "being extended", async ({ record }) => {
    if (record.state !== "running" && record.state !== "failed") {
      throw new AgentError("WRONG_STATE", `sandbox "${id}" is ${record.state}: it has no deadline`);
    }
    const saved = sandboxes.save(id, deadlineIn(seconds));
    events.emit("sandbox.extended", id, { deadline: saved.deadline });
    return viewOf(saved);
  });
}

/** Removes everything that belongs to a sandbox. May be called again after a crash. */
export async function removeSandbox(context: Context, id: string): Promise<void> {
  const { sandboxes, snapshots } = context;
  // On a full disk nothing can be recorded; but ending a sandbox frees space.
  sandboxes.note(id, { state: "killing" });
  await detach(context, id, sandboxes.get(id).vm);
  for (const name of namesOf(snapshots, id)) await snapshots.remove(name);
  sandboxes.remove(id);
}

/**
 * Ends a sandbox whose record cannot be read: kills what runs in its directory, and removes that.
 */
async function removeUnreadable(context: Context, id: string): Promise<void> {
  const { sandboxes, snapshots } = context;
  await reapVm(context, id);
  await removeVmDirectory(context, id);
  for (const name of namesOf(snapshots, id)) await snapshots.remove(name);
  sandboxes.remove(id);
}

export async function killSandbox(context: Context, id: string, why = "asked to"): Promise<void> {
  const { sandboxes, events } = context;
  if (sandboxes.unreadable.has(id)) {
    await removeUnreadable(context, id);
    events.emit("sandbox.killed", id, { why });
    return;
  }
  await sandboxes.exclusive(id, "being killed", async () => {
    await removeSandbox(context, id);
    events.emit("sandbox.killed", id, { why });
  });
}
