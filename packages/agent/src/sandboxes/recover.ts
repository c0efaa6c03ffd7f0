/**
 * Finding everything again after a restart, however the agent ended: records say what was, adopted
 * microVMs and whole snapshots say what is.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { parseJson } from "@evenkeel/core";
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { limiter } from "../store/limiter.ts";
import { readContractFile } from "../store/snapshot-files.ts";
import { removeSandbox } from "./end.ts";
import { attach, failSandbox } from "./lifecycle.ts";
import { finishPause } from "./pause.ts";
import { SandboxRecord } from "./record.ts";
import { removeVmDirectory } from "./vm-directory.ts";

interface Records {
  readonly records: readonly SandboxRecord[];
  /** Sandboxes whose record nobody understands: all that is theirs is left alone. */
  readonly unreadable: ReadonlySet<string>;
}

async function readRecord(path: string, id: string): Promise<SandboxRecord> {
  const record = SandboxRecord.parse(parseJson(await readFile(path, "utf8")));
  if (record.id !== id) throw new Error(`it is the record of "${record.id}"`);
  return record;
}

async function readRecords({ paths, report }: Context): Promise<Records> {
  const names = (await readdir(paths.sandboxes)).filter((name) => name.endsWith(".json"));
  const unreadable = new Set<string>();
  const records = names.map(async (name) => {
    const id = basename(name, ".json");
    try {
      return [await readRecord(paths.sandbox(id), id)];
    } catch (error) {
      unreadable.add(id);
      report(`${paths.sandbox(id)}, which is left alone`, messageOf(error));
      return [];
    }
  });
  return { records: (await Promise.all(records)).flat(), unreadable };
}

/**
 * Takes the microVM of a record over, if it lives. One that does not answer, or that the record
 * was too late for, is ended: two must never run on the same disks.
 */
async function adopt(context: Context, record: SandboxRecord): Promise<MicroVm | undefined> {
  const { driver, sandboxes, paths, snapshots } = context;
  const { id, vm: known } = record;
  const vm = known === undefined ? undefined : await driver.adopt(known);
  if (known === undefined || vm === undefined) {
    await driver.reap?.(paths.vm(id));
    return undefined;
  }
  const contract = snapshots.intern(await readContractFile(paths.vm(id)));
  sandboxes.set(id, { contract });
  attach(context, id, vm, known.release);
  return vm;
}

/** A VMM that does not answer takes seconds to be sure of. */
const AT_ONCE = 16;

const GONE = "its VMM ended while the agent was away";

async function goOn(context: Context, record: SandboxRecord, vm: MicroVm | undefined) {
  const { sandboxes, events } = context;
  const { id } = record;
  if (vm === undefined) return failSandbox(context, id, GONE, "");
  if (record.state === "pausing") await vm.resume();
  sandboxes.save(id, { state: "running", pending: undefined });
  events.emit("sandbox.adopted", id, { pid: vm.record.pid });
}

/** A pause that was cut short has its snapshot whole, or never was. */
async function recoverPause(context: Context, record: SandboxRecord): Promise<void> {
  const { snapshots } = context;
  const { id, pending } = record;
  const vm = await adopt(context, record);
  const taken = pending === undefined ? undefined : snapshots.find(pending);
  if (taken?.metadata.sandbox !== id) return goOn(context, record, vm);
  return finishPause(context, id, taken.metadata.name);
}

/** The guest may have run for a moment, on copies of its own; its snapshot is as it was. */
async function recoverResume(context: Context, record: SandboxRecord): Promise<void> {
  const vm = await adopt(context, record);
  context.sandboxes.set(record.id, { vm: undefined });
  await vm?.kill();
  context.sandboxes.save(record.id, { state: "paused", vm: undefined, deadline: undefined });
}

async function recoverCreation(context: Context, record: SandboxRecord): Promise<void> {
  const vm = await adopt(context, record);
  context.sandboxes.set(record.id, { vm: undefined });
  await vm?.kill();
  const why = "the agent was restarted while the sandbox was being created";
  await failSandbox(context, record.id, why, "");
}

async function recoverPaused(context: Context, { id, snapshot = "" }: SandboxRecord) {
  if (context.snapshots.find(snapshot) !== undefined) return;
  await failSandbox(context, id, `its snapshot "${snapshot}" is gone`, "");
}

async function recoverOne(context: Context, record: SandboxRecord): Promise<void> {
  switch (record.state) {
    case "running":
      return goOn(context, record, await adopt(context, record));
    case "pausing":
      return recoverPause(context, record);
    case "resuming":
      return recoverResume(context, record);
    case "creating":
      return recoverCreation(context, record);
    case "paused":
      return recoverPaused(context, record);
    case "killing":
      await adopt(context, record);
      return removeSandbox(context, record.id);
    case "failed":
      return undefined;
  }
}

async function recoverOrFail(context: Context, record: SandboxRecord): Promise<void> {
  try {
    await recoverOne(context, record);
  } catch (error) {
    context.report(`sandbox ${record.id}`, messageOf(error));
    await failSandbox(context, record.id, messageOf(error), "");
  }
}

/** Snapshots of a sandbox that its record does not know: older ones, or of one that is gone. */
async function dropStale(
  { snapshots, sandboxes }: Context,
  unreadable: ReadonlySet<string>,
): Promise<void> {
  for (const { metadata } of snapshots.list()) {
    const { sandbox: id, name } = metadata;
    if (id === undefined || unreadable.has(id) || !name.startsWith(`${id}.`)) continue;
    if (sandboxes.find(id)?.record.snapshot !== name) await snapshots.remove(name);
  }
}

/** Directories of microVMs that no sandbox has: of interrupted builds, boots and kills. */
async function reapOrphans(context: Context, unreadable: ReadonlySet<string>): Promise<void> {
  const { paths, sandboxes, events, driver } = context;
  for (const id of await readdir(paths.vms)) {
    if (unreadable.has(id) || sandboxes.find(id)?.vm !== undefined) continue;
    const pids = (await driver.reap?.(paths.vm(id))) ?? [];
    await removeVmDirectory(context, id);
    events.emit("orphan.reaped", id, { pids });
  }
}

export async function recover(context: Context): Promise<void> {
  const { records, unreadable } = await readRecords(context);
  for (const record of records) context.sandboxes.add(record);
  const few = limiter(AT_ONCE);
  await Promise.all(records.map((record) => few(() => recoverOrFail(context, record))));
  await dropStale(context, unreadable);
  await reapOrphans(context, unreadable);
}
