/** The parts that the operations on sandboxes have in common. */
import type { Override, OverrideRecord } from "@evenkeel/api";
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "../context.ts";
import { AgentError, asVmmError, messageOf } from "../errors.ts";
import { vmFiles, type Snapshot } from "../store/snapshot-files.ts";
import { consoleEnd } from "./console.ts";
import { hearConsole } from "./hear.ts";
import { isLive, type SandboxRecord } from "./record.ts";
import type { Entry } from "./registry.ts";
import { keepContract, makeVmDirectory, removeVmDirectory, sourcesIn } from "./vm-directory.ts";

export function deadlineIn(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toISOString();
}

/** Throws WRONG_STATE. */
export function requireState({ record }: Entry, state: SandboxRecord["state"]): void {
  if (record.state === state) return;
  throw new AgentError("WRONG_STATE", `sandbox "${record.id}" is ${record.state}, not ${state}`);
}

/** Throws NODE_FULL. */
export function requireCapacity({ sandboxes, settings }: Context): void {
  const live = sandboxes.list().filter(({ record }) => isLive(record)).length;
  if (live < settings.maxSandboxes) return;
  throw new AgentError("NODE_FULL", `${live} sandboxes run on this node, which is its limit`);
}

/**
 * Lets a snapshot in, or not; what it returns is an override that was needed. Throws OTHER_VMM,
 * VERDICT_AGAINST.
 */
export function admit(
  { driver, gate }: Context,
  { metadata, contract }: Snapshot,
  sandbox: string,
  override: Override | undefined,
): OverrideRecord[] {
  const { name, vmm } = metadata;
  if (vmm !== driver.vmm) {
    throw new AgentError(
      "OTHER_VMM",
      `snapshot "${name}" is ${vmm}'s, this node has ${driver.vmm}`,
    );
  }
  const record = gate.admit({ snapshot: name, contract, sandbox }, override);
  return record === undefined ? [] : [record];
}

/** Notes a sandbox's microVM and the release that it runs, on disk first, and watches it. */
export function attach(context: Context, id: string, vm: MicroVm, release: string): void {
  const { sandboxes } = context;
  sandboxes.save(id, { vm: { ...vm.record, release } });
  sandboxes.set(id, { vm, exit: undefined, consoleOffset: 0 });
  void vm.exited.then((exit) => {
    if (sandboxes.find(id)?.vm !== vm) return;
    sandboxes.set(id, { exit });
    settle(context, id);
  });
}

/** Ends a microVM on purpose, and removes its directory. */
export async function detach(context: Context, id: string, vm: MicroVm | undefined): Promise<void> {
  await hearConsole(context, id);
  context.sandboxes.set(id, { vm: undefined, exit: undefined });
  await vm?.kill();
  await removeVmDirectory(context, id);
}

/** Loads a snapshot into a sandbox's new microVM and lets it run. */
export async function loadInto(context: Context, id: string, snapshot: Snapshot): Promise<void> {
  const { releases } = context;
  const { driver, version } = releases.loading(snapshot.contract) ?? releases.usual;
  const disks = sourcesIn(snapshot.directory, snapshot.metadata.disks);
  let vm: MicroVm | undefined;
  try {
    const directory = await makeVmDirectory(context, id, disks);
    await keepContract(directory, snapshot);
    const files = vmFiles(snapshot.directory);
    vm = await driver.load({ directory, snapshot: files, memory: { kind: "file" } });
    attach(context, id, vm, version);
    await vm.resume();
  } catch (error) {
    await detach(context, id, vm);
    throw asVmmError(error, `snapshot ${snapshot.metadata.name} was not resumed`);
  }
}

function exitText(entry: Entry): string {
  const { code, signal } = entry.exit ?? {};
  if (signal !== undefined) return `the VMM was ended by ${signal}`;
  return code === undefined ? "the VMM is gone" : `the VMM ended with exit code ${code}`;
}

async function cleanUp(context: Context, id: string, entry: Entry, vm: MicroVm): Promise<void> {
  const { sandboxes } = context;
  await sandboxes.exclusive(id, "cleaning up after its VMM", async () => {
    await hearConsole(context, id);
    const said = await consoleEnd(vm.console);
    await vm.kill();
    await failSandbox(context, id, exitText(entry), said);
    sandboxes.set(id, { vm: undefined, exit: undefined });
  });
}

/** Turns a sandbox whose VMM ended by itself into a failed one, as soon as nothing else has it. */
export function settle(context: Context, id: string): void {
  const entry = context.sandboxes.find(id);
  if (entry?.exit === undefined || entry.vm === undefined || entry.busy !== undefined) return;
  cleanUp(context, id, entry, entry.vm).catch((error: unknown) => {
    context.report(`sandbox ${id}, whose VMM ended`, messageOf(error));
  });
}

export async function failSandbox(
  context: Context,
  id: string,
  message: string,
  consoleText: string,
): Promise<void> {
  const { sandboxes, events, settings } = context;
  // First, so that whoever sees that it failed may end it at once.
  await removeVmDirectory(context, id);
  const failure = { time: new Date().toISOString(), message, console: consoleText };
  const deadline = deadlineIn(settings.keepFailedSeconds);
  sandboxes.save(id, { state: "failed", failure, deadline, vm: undefined, pending: undefined });
  events.emit("sandbox.failed", id, { message, console: consoleText.slice(-1000) });
}
