/** Building a template: boot, wait until the guest is ready, pause, snapshot. */
import { randomBytes } from "node:crypto";
import type { SnapshotMetadata, TemplateRequest } from "@evenkeel/api";
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "../sandboxes/context.ts";
import { AgentError, messageOf } from "../errors.ts";
import { bootMachine, prepareMachine, type ReadyMachine } from "../sandboxes/boot.ts";
import { requireCapacity } from "../sandboxes/capacity.ts";
import { takeSnapshot, type Facts } from "../sandboxes/take.ts";
import { removeVmDirectory } from "../sandboxes/vm-directory.ts";
import { awaitReady } from "./readiness.ts";

function factsOf({ machine, labels }: TemplateRequest, ready: ReadyMachine): Facts {
  const { vcpus, memoryMib, vsock, network } = machine;
  const disks = ready.disks.map(({ id, readOnly, root }) => ({ id, readOnly, root }));
  return { kind: "template", vcpus, memoryMib, vsock, network, disks, labels, overrides: [] };
}

async function build(context: Context, request: TemplateRequest): Promise<SnapshotMetadata> {
  const { name, machine, readiness } = request;
  const ready = await prepareMachine(context, machine);
  // Not a sandbox: what an interrupted build leaves behind is removed at the next start.
  const id = `build-${randomBytes(8).toString("hex")}`;
  let vm: MicroVm | undefined;
  requireCapacity(context, machine.memoryMib);
  context.builds.set(id, machine.memoryMib);
  try {
    vm = await bootMachine(context, id, ready);
    context.outputs.watch(vm);
    await awaitReady(vm, readiness, context.stopping);
    const facts = factsOf(request, ready);
    return (await takeSnapshot(context, vm, name, facts, ready.contract)).metadata;
  } finally {
    await vm?.kill();
    if (vm !== undefined) context.outputs.forget(vm);
    context.builds.delete(id);
    await removeVmDirectory(context, id);
  }
}

/** Throws NAME_TAKEN, NO_SUCH_IMAGE, CPU_REFUSED, NOT_READY, DISK_FULL, VMM_FAILED. */
export async function buildTemplate(
  context: Context,
  request: TemplateRequest,
): Promise<SnapshotMetadata> {
  const { events, snapshots } = context;
  const { name } = request;
  if (!snapshots.isFree(name)) {
    throw new AgentError("NAME_TAKEN", `a snapshot already exists with the name "${name}"`);
  }
  try {
    const metadata = await build(context, request);
    events.emit("template.created", name);
    return metadata;
  } catch (error) {
    events.emit("template.failed", name, { message: messageOf(error) });
    throw error;
  }
}
