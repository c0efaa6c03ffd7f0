/** Pausing a sandbox into a snapshot, and resuming from it. */
import { inheritContract, type CpuContract } from "@evenkeel/core";
import type { ResumeRequest, Sandbox } from "@evenkeel/api";
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "./context.ts";
import { AgentError, messageOf } from "../errors.ts";
import { sync } from "../store/durable.ts";
import { requireCapacity } from "./capacity.ts";
import { admit, deadlineIn, detach, loadInto, requireState } from "./lifecycle.ts";
import { overridesWith, viewOf, type SandboxRecord } from "./record.ts";
import type { Entry } from "./registry.ts";
import { namesOf, takeSnapshot } from "./take.ts";

/** `<id>.<n>`, the first that nobody else took. */
function nextName({ snapshots }: Context, { record }: Entry): { name: string; taken: number } {
  let taken = record.taken + 1;
  while (!snapshots.isFree(`${record.id}.${taken}`)) taken += 1;
  return { name: `${record.id}.${taken}`, taken };
}

function pausedOn(snapshot: string): Partial<SandboxRecord> {
  const rest = { deadline: undefined, granted: undefined, vm: undefined, pending: undefined };
  return { state: "paused", snapshot, ...rest };
}

/** A guest that runs, with what was promised to it. */
interface Guest {
  readonly record: SandboxRecord;
  readonly vm: MicroVm;
  readonly contract: CpuContract;
}

/** Throws WRONG_STATE. */
function requireGuest(entry: Entry): Guest {
  requireState(entry, "running");
  const { record, vm, contract } = entry;
  if (vm !== undefined && contract !== undefined) return { record, vm, contract };
  const lost = vm === undefined ? "its VMM" : "its CPU contract, and can only be killed";
  throw new AgentError("WRONG_STATE", `sandbox "${record.id}" has lost ${lost}`);
}

/**
 * Takes the snapshot and records it; if that fails, the guest keeps running, if its VMM is alive.
 */
async function takeOrGoOn(context: Context, guest: Guest, name: string): Promise<void> {
  const { record, vm, contract } = guest;
  const { profile, sandboxes, snapshots } = context;
  const firecracker = record.vm?.release ?? contract.firecracker;
  const { id, vcpus, memoryMib, vsock, network, disks, from, labels, overrides } = record;
  const facts = {
    kind: "sandbox",
    vcpus,
    memoryMib,
    vsock,
    network,
    disks,
    labels,
    overrides,
    sandbox: id,
    ...(from === undefined ? {} : { from }),
  } as const;
  const time = new Date().toISOString();
  const inherited = inheritContract(contract, profile, { firecracker, time });
  try {
    const parent = snapshots.find(record.snapshot ?? from ?? "");
    await takeSnapshot(context, vm, name, facts, inherited, parent);
    sandboxes.save(id, pausedOn(name));
  } catch (error) {
    // The snapshot itself may be what has filled the disk.
    if (snapshots.find(name) !== undefined) await snapshots.remove(name);
    await vm.resume().catch((reason: unknown) => {
      context.report(`sandbox ${id}, which was to keep running`, messageOf(reason));
    });
    sandboxes.note(id, { state: "running", pending: undefined });
    throw error;
  }
}

async function dropEarlier({ snapshots }: Context, id: string, current: string): Promise<void> {
  for (const name of namesOf(snapshots, id)) {
    if (name !== current) await snapshots.remove(name);
  }
}

/** What remains to be done once a sandbox's snapshot is complete. */
export async function finishPause(context: Context, id: string, snapshot: string): Promise<void> {
  const { paths, sandboxes } = context;
  sandboxes.note(id, pausedOn(snapshot));
  try {
    // A running sandbox ends with the machine; a paused one must survive a crash.
    await sync(paths.sandbox(id));
    await sync(paths.sandboxes);
  } finally {
    await detach(context, id, sandboxes.get(id).vm);
  }
  await dropEarlier(context, id, snapshot);
}

export function pauseSandbox(context: Context, id: string): Promise<Sandbox> {
  const { sandboxes, events } = context;
  return sandboxes.exclusive(id, "being paused", async (entry) => {
    const guest = requireGuest(entry);
    const { name, taken } = nextName(context, entry);
    sandboxes.save(id, { state: "pausing", pending: name, taken });
    await takeOrGoOn(context, guest, name);
    await finishPause(context, id, name);
    events.emit("sandbox.paused", id, { snapshot: name });
    return viewOf(sandboxes.get(id).record);
  });
}

export function resumeSandbox(
  context: Context,
  id: string,
  request: ResumeRequest,
): Promise<Sandbox> {
  const { sandboxes, snapshots, events, settings } = context;
  return sandboxes.exclusive(id, "being resumed", (entry) => {
    requireState(entry, "paused");
    return snapshots.hold(entry.record.snapshot ?? "", async (snapshot) => {
      const { contract, metadata } = snapshot;
      const admitted = admit(context, snapshot, id, request.override);
      const { overrides } = entry.record;
      const digest = snapshots.digestOf(contract);
      const resuming = { overrides: overridesWith(overrides, admitted), contract: digest };
      requireCapacity(context, entry.record.memoryMib);
      // Not on disk: if the agent exits now, the sandbox is still paused.
      sandboxes.mark(id, { state: "resuming", ...resuming });
      sandboxes.set(id, { contract });
      const timeoutSeconds =
        request.timeoutSeconds ?? entry.record.timeoutSeconds ?? settings.defaultTimeoutSeconds;
      try {
        const vm = await loadInto(context, id, snapshot);
        const deadline = deadlineIn(timeoutSeconds);
        // Recorded before anyone is told, or undone: a later agent goes by the record.
        sandboxes.save(id, { state: "running", vm, timeoutSeconds, ...deadline });
      } catch (error) {
        await detach(context, id, sandboxes.find(id)?.vm);
        sandboxes.note(id, { state: "paused", vm: undefined, overrides });
        throw error;
      }
      events.emit("sandbox.resumed", id, { snapshot: metadata.name });
      return viewOf(sandboxes.get(id).record);
    });
  });
}
