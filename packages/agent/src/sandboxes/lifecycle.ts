/** What the operations on sandboxes have in common. */
import type { Override, OverrideRecord } from "@evenkeel/api";
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "./context.ts";
import { closePorts } from "./ports.ts";
import { AgentError, asVmmError, messageOf } from "../errors.ts";
import { vmFiles, type Snapshot } from "../store/snapshot-files.ts";
import { requireNetwork, takeCell } from "./confine.ts";
import { consoleEnd } from "./console.ts";
import { hearConsole } from "./hear.ts";
import type { SandboxRecord } from "./record.ts";
import type { Entry } from "./registry.ts";
import { drivesOf, makeVmDirectory, removeVmDirectory, sourcesIn } from "./vm-directory.ts";

/** A new deadline and its duration: if the clock is changed, the duration counts. */
export function deadlineIn(seconds: number): Pick<SandboxRecord, "deadline" | "granted"> {
  return { deadline: new Date(Date.now() + seconds * 1000).toISOString(), granted: seconds };
}

/** Throws WRONG_STATE. */
export function requireState({ record }: Entry, state: SandboxRecord["state"]): void {
  if (record.state === state) return;
  throw new AgentError("WRONG_STATE", `sandbox "${record.id}" is ${record.state}, not ${state}`);
}

/**
 * Admits or refuses a snapshot; returns the override, if one was needed. Throws OTHER_VMM,
 * NETWORK_OFF, RESUME_REFUSED.
 */
export function admit(
  context: Context,
  { metadata, contract }: Snapshot,
  sandbox: string,
  override: Override | undefined,
): OverrideRecord[] {
  const { driver, gate } = context;
  const { name, vmm } = metadata;
  if (vmm !== driver.vmm) {
    throw new AgentError(
      "OTHER_VMM",
      `snapshot "${name}" was taken by ${vmm}; this node has ${driver.vmm}`,
    );
  }
  requireNetwork(context, metadata.network);
  const record = gate.admit({ snapshot: name, contract, sandbox }, override);
  return record === undefined ? [] : [record];
}

function follow(context: Context, id: string, vm: MicroVm): void {
  const { sandboxes, outputs } = context;
  sandboxes.set(id, { vm, exit: undefined, settleFrom: 0, consoleOffset: 0 });
  outputs.watch(vm);
  void vm.exited.then((exit) => {
    if (sandboxes.find(id)?.vm !== vm) return;
    sandboxes.set(id, { exit });
    settle(context, id);
  });
}

type VmNote = NonNullable<SandboxRecord["vm"]>;

/**
 * Watches a sandbox's new microVM. What it returns is for the record of the sandbox that runs: until
 * that is written, a microVM is found by its directory alone, and ended.
 */
export function attach(context: Context, id: string, vm: MicroVm, release: string): VmNote {
  follow(context, id, vm);
  return { ...vm.record, release };
}

/** The same for one that was noted before, and is noted anew whether that can be written or not. */
export function attachAdopted(context: Context, id: string, vm: MicroVm, release: string): void {
  context.sandboxes.note(id, { vm: { ...vm.record, release } });
  follow(context, id, vm);
}

/** Ends a microVM on purpose, and removes its directory. */
export async function detach(context: Context, id: string, vm: MicroVm | undefined): Promise<void> {
  await hearConsole(context, id);
  closePorts(context, id);
  context.sandboxes.set(id, { vm: undefined, exit: undefined });
  await vm?.kill();
  if (vm !== undefined) context.outputs.forget(vm);
  await removeVmDirectory(context, id);
}

/** Loads a snapshot into a sandbox's new microVM and starts it; returns what to record. */
export async function loadInto(context: Context, id: string, snapshot: Snapshot): Promise<VmNote> {
  const { releases, settings, snapshots } = context;
  const { driver, version } = releases.loading(snapshot.contract) ?? releases.usual;
  if (settings.verifyOnResume) await snapshots.verify(snapshot.metadata.name);
  const disks = sourcesIn(snapshot.directory, snapshot.metadata.disks);
  let vm: MicroVm | undefined;
  try {
    const directory = await makeVmDirectory(context, id, disks, snapshot);
    const files = vmFiles(snapshot.directory);
    const drives = drivesOf(directory, disks);
    const cell = await takeCell(context, driver, id, snapshot.metadata, drives);
    vm = await driver.load({
      directory,
      snapshot: files,
      drives,
      memory: { kind: "file" },
      ...cell,
    });
    const note = attach(context, id, vm, version);
    await vm.resume();
    return note;
  } catch (error) {
    await detach(context, id, vm);
    throw asVmmError(error, `snapshot ${snapshot.metadata.name} was not resumed`);
  }
}

function exitText(entry: Entry): string {
  const { code, signal } = entry.exit ?? {};
  if (signal !== undefined) return `the VMM was killed by ${signal}`;
  return code === undefined ? "the VMM is gone" : `the VMM exited with code ${code}`;
}

async function cleanUp(context: Context, id: string, entry: Entry, vm: MicroVm): Promise<void> {
  const { sandboxes } = context;
  await sandboxes.exclusive(id, "cleaning up after its VMM", async () => {
    await hearConsole(context, id);
    const said = consoleEnd(vm.console);
    await vm.kill();
    const why = context.outputs.ended(vm) ?? exitText(entry);
    context.outputs.forget(vm);
    await failSandbox(context, id, why, said);
    sandboxes.set(id, { vm: undefined, exit: undefined });
  });
}

/** Time between two attempts to clean up, for example while the disk is full or gone. */
const SETTLE_AGAIN_MS = 1000;

/**
 * Marks a sandbox whose VMM exited by itself as failed, as soon as no operation has it. May be
 * called at any time: at most one attempt is in progress, and the next one comes a second later.
 */
export function settle(context: Context, id: string): void {
  const { sandboxes, report } = context;
  const entry = sandboxes.find(id);
  if (entry?.exit === undefined || entry.vm === undefined || entry.busy !== undefined) return;
  if (performance.now() < entry.settleFrom) return;
  // Until this try has ended, however it does: letting go of the sandbox calls this function again.
  sandboxes.set(id, { settleFrom: Infinity });
  cleanUp(context, id, entry, entry.vm)
    .catch((error: unknown) => report(`sandbox ${id}, whose VMM ended`, messageOf(error)))
    .finally(() => {
      if (sandboxes.find(id)?.vm !== entry.vm) return;
      sandboxes.set(id, { settleFrom: performance.now() + SETTLE_AGAIN_MS });
    });
}

export async function failSandbox(
  context: Context,
  id: string,
  message: string,
  consoleText: string,
): Promise<void> {
  const { sandboxes, events, settings } = context;
  closePorts(context, id);
  // First, so that whoever sees that it failed can end it at once.
  await removeVmDirectory(context, id);
  const failure = { time: new Date().toISOString(), message, console: consoleText };
  const deadline = deadlineIn(settings.keepFailedSeconds);
  sandboxes.note(id, { state: "failed", failure, ...deadline, vm: undefined, pending: undefined });
  events.emit("sandbox.failed", id, { message, console: consoleText.slice(-1000) });
}
