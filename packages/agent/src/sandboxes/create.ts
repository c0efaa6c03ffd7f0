/** Creating a sandbox: from a snapshot, or by a cold boot. */
import { randomBytes } from "node:crypto";
import type { Machine, Sandbox, SandboxRequest } from "@evenkeel/api";
import type { CpuContract } from "@evenkeel/core";
import type { Context } from "./context.ts";
import { AgentError } from "../errors.ts";
import type { Snapshot } from "../store/snapshot-files.ts";
import { bootMachine, prepareMachine } from "./boot.ts";
import { requireCapacity } from "./capacity.ts";
import { requireEgress } from "./confine.ts";
import { admit, attach, deadlineIn, detach, loadInto } from "./lifecycle.ts";
import { overridesWith, SANDBOX_SCHEMA, viewOf, type SandboxRecord } from "./record.ts";

function newId(): string {
  return `s${randomBytes(8).toString("hex")}`;
}

/** What differs between the two ways to start. */
type Origin = Pick<
  SandboxRecord,
  "from" | "vcpus" | "memoryMib" | "vsock" | "network" | "disks" | "overrides"
>;

/** Not parsed: it is built from parsed values, and a resume waits for it. */
function newRecord(
  context: Context,
  id: string,
  request: SandboxRequest,
  origin: Origin,
): SandboxRecord {
  const { onTimeout, labels, egress } = request;
  const timeoutSeconds = request.timeoutSeconds ?? context.settings.defaultTimeoutSeconds;
  return {
    schema: SANDBOX_SCHEMA,
    id,
    state: "creating",
    created: new Date().toISOString(),
    timeoutSeconds,
    ...deadlineIn(timeoutSeconds),
    onTimeout,
    labels,
    egress,
    taken: 0,
    ...origin,
  };
}

/** Registers a sandbox and calls `start`; if that fails, the registration is undone. */
async function bringUp(
  context: Context,
  record: SandboxRecord,
  contract: CpuContract,
  start: () => Promise<SandboxRecord["vm"]>,
): Promise<Sandbox> {
  const { sandboxes, events } = context;
  const { id, from } = record;
  requireCapacity(context, record.memoryMib);
  sandboxes.add({ ...record, contract: context.snapshots.digestOf(contract) });
  return sandboxes.exclusive(id, "being created", async () => {
    sandboxes.set(id, { contract });
    try {
      const vm = await start();
      const running = sandboxes.save(id, { state: "running", vm });
      events.emit("sandbox.created", id, { from: from ?? "cold boot" });
      return viewOf(running);
    } catch (error) {
      await detach(context, id, sandboxes.find(id)?.vm);
      sandboxes.remove(id);
      throw error;
    }
  });
}

async function fromSnapshot(
  context: Context,
  id: string,
  request: SandboxRequest,
  snapshot: Snapshot,
): Promise<Sandbox> {
  const { metadata, contract } = snapshot;
  const { name, vcpus, memoryMib, vsock, network, disks } = metadata;
  const admitted = admit(context, snapshot, id, request.override);
  const overrides = overridesWith(metadata.overrides, admitted);
  const origin = { from: name, vcpus, memoryMib, vsock, network, disks, overrides };
  const record = newRecord(context, id, request, origin);
  return bringUp(context, record, contract, () => loadInto(context, id, snapshot));
}

async function fromBoot(
  context: Context,
  id: string,
  request: SandboxRequest,
  machine: Machine,
): Promise<Sandbox> {
  const ready = await prepareMachine(context, machine);
  const { vcpus, memoryMib, vsock, network } = machine;
  const disks = ready.disks.map(({ id: disk, readOnly, root }) => ({ id: disk, readOnly, root }));
  const origin = { from: undefined, vcpus, memoryMib, vsock, network, disks, overrides: [] };
  const record = newRecord(context, id, request, origin);
  return bringUp(context, record, ready.contract, async () => {
    return attach(context, id, await bootMachine(context, id, ready), ready.release.version);
  });
}

/**
 * Throws NO_SUCH_SNAPSHOT, RESUME_REFUSED, NAME_TAKEN, NODE_FULL, EGRESS_REFUSED, NETWORK_OFF, and
 * what the VMM says.
 */
export async function createSandbox(context: Context, request: SandboxRequest): Promise<Sandbox> {
  const { snapshots, sandboxes } = context;
  const id = request.id ?? newId();
  if (sandboxes.find(id) !== undefined) {
    throw new AgentError("NAME_TAKEN", `a sandbox already exists: "${id}"`);
  }
  requireEgress(context, request.egress);
  const { from, machine } = request;
  if (machine !== undefined) return fromBoot(context, id, request, machine);
  return snapshots.hold(from ?? "", (snapshot) => fromSnapshot(context, id, request, snapshot));
}
