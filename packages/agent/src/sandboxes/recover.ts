/**
 * Finds everything again after a restart, however the agent ended: records say what was, adopted
 * microVMs and complete snapshots say what is.
 */
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseJson } from "@evenkeel/core";
import { readPlainSync, type MicroVm } from "@evenkeel/host";
import type { Context } from "./context.ts";
import { AgentError, messageOf } from "../errors.ts";
import { limiter } from "../store/limiter.ts";
import { removeSandbox } from "./end.ts";
import { findContract, findVm, OUT_OF_SIGHT, reapVm } from "./find-vm.ts";
import { attachAdopted, detach, failSandbox } from "./lifecycle.ts";
import { finishPause } from "./pause.ts";
import { SandboxRecord } from "./record.ts";
import { removeVmDirectory } from "./vm-directory.ts";

/** Labels, overrides and the end of a console; some tens of KiB. */
const RECORD_LIMIT = 4 * 1024 * 1024;

function readRecord(path: string, id: string): SandboxRecord {
  const record = SandboxRecord.parse(parseJson(readPlainSync(path, RECORD_LIMIT).toString("utf8")));
  if (record.id !== id) throw new Error(`it is the record of sandbox "${record.id}"`);
  return record;
}

/** Sandboxes whose record cannot be read keep everything that belongs to them, and their ids. */
async function readRecords({ paths, sandboxes, report }: Context): Promise<SandboxRecord[]> {
  const all = await readdir(paths.sandboxes);
  // Half-written ones of an agent that was killed.
  for (const name of all.filter((one) => one.endsWith(".tmp"))) {
    await rm(join(paths.sandboxes, name), { recursive: true, force: true });
  }
  const names = all.filter((name) => name.endsWith(".json"));
  return names.flatMap((name) => {
    const id = basename(name, ".json");
    try {
      return [readRecord(paths.sandbox(id), id)];
    } catch (error) {
      sandboxes.unreadable.add(id);
      report(`${paths.sandbox(id)}, left untouched`, messageOf(error));
      return [];
    }
  });
}

/** Adopts a record's microVM, if it is alive; throws OUT_OF_REACH. */
async function adopt(context: Context, record: SandboxRecord): Promise<MicroVm | undefined> {
  const vm = await findVm(context, record);
  if (vm === undefined) return undefined;
  const contract = findContract(context, record);
  if (contract === undefined) {
    const why = "its contract cannot be read: it keeps running, but cannot be snapshotted";
    context.report(`sandbox ${record.id}`, why);
  }
  context.sandboxes.set(record.id, { contract });
  const release = record.vm?.release ?? contract?.firecracker ?? context.releases.usual.version;
  attachAdopted(context, record.id, vm, release);
  return vm;
}

/** It takes seconds to be sure that a VMM does not answer. */
const AT_ONCE = 16;

const GONE = "its VMM exited while the agent was down";

async function goOn(context: Context, record: SandboxRecord, vm: MicroVm | undefined) {
  const { sandboxes, events } = context;
  const { id } = record;
  if (vm === undefined) return failSandbox(context, id, GONE, "");
  if (record.state === "pausing") await vm.resume();
  sandboxes.note(id, { state: "running", pending: undefined });
  events.emit("sandbox.adopted", id, { pid: vm.record.pid });
}

/** An interrupted pause has a complete snapshot, or never happened. */
async function recoverPause(context: Context, record: SandboxRecord): Promise<void> {
  const { snapshots } = context;
  const { id, pending } = record;
  const vm = await adopt(context, record);
  const taken = pending === undefined ? undefined : snapshots.find(pending);
  if (taken?.metadata.sandbox !== id) return goOn(context, record, vm);
  return finishPause(context, id, taken.metadata.name);
}

/** The guest may have run for a moment, on its own copies; its snapshot is unchanged. */
async function recoverResume(context: Context, record: SandboxRecord): Promise<void> {
  await detach(context, record.id, await adopt(context, record));
  context.sandboxes.note(record.id, { state: "paused", vm: undefined, deadline: undefined });
}

async function recoverCreation(context: Context, record: SandboxRecord): Promise<void> {
  await detach(context, record.id, await adopt(context, record));
  const why = "the agent was restarted while the sandbox was being created";
  await failSandbox(context, record.id, why, "");
}

async function recoverPaused(context: Context, { id, snapshot = "" }: SandboxRecord) {
  const { snapshots } = context;
  if (snapshots.find(snapshot) !== undefined) return;
  if (!snapshots.isFree(snapshot)) throw new Error(`its snapshot "${snapshot}" cannot be read`);
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

/**
 * A sandbox that cannot be recovered is left as it is, and barred, until it can be or has ended.
 */
async function recoverOrBar(context: Context, record: SandboxRecord): Promise<void> {
  const { sandboxes, report } = context;
  const { id } = record;
  try {
    await recoverOne(context, record);
    sandboxes.set(id, { barred: undefined });
  } catch (error) {
    const message = messageOf(error);
    const hidden = error instanceof AgentError && error.code === "OUT_OF_REACH";
    const barred = hidden ? OUT_OF_SIGHT : message;
    if (sandboxes.find(id)?.barred !== barred) report(`sandbox ${id}, left untouched`, message);
    sandboxes.set(id, { barred });
  }
}

/** Checks those again that were out of reach: their VMMs may have exited. */
export async function recoverBarred(context: Context): Promise<void> {
  for (const { record, barred } of context.sandboxes.list()) {
    if (barred !== undefined) await recoverOrBar(context, record);
  }
}

/** Snapshots of a sandbox that its record does not know: older ones, or of one that is gone. */
async function dropStale({ snapshots, sandboxes }: Context): Promise<void> {
  for (const { metadata } of snapshots.list()) {
    const { sandbox: id, name } = metadata;
    if (id === undefined || sandboxes.unreadable.has(id) || !name.startsWith(`${id}.`)) continue;
    if (sandboxes.find(id)?.record.snapshot !== name) await snapshots.remove(name);
  }
}

/** MicroVM directories without a sandbox: from interrupted builds, boots and kills. */
async function reapOrphans(context: Context): Promise<void> {
  const { paths, sandboxes, events, report } = context;
  for (const id of await readdir(paths.vms)) {
    const entry = sandboxes.find(id);
    const taken = entry?.vm !== undefined || entry?.barred !== undefined;
    if (taken || sandboxes.unreadable.has(id)) continue;
    try {
      const pids = await reapVm(context, id);
      await removeVmDirectory(context, id);
      events.emit("orphan.reaped", id, { pids });
    } catch (error) {
      report(`${paths.vm(id)}, left untouched`, messageOf(error));
    }
  }
}

export async function recover(context: Context): Promise<void> {
  const { sandboxes, cells, paths } = context;
  const records = await readRecords(context);
  for (const record of records) sandboxes.restore(record);
  const few = limiter(AT_ONCE);
  await Promise.all(records.map((record) => few(() => recoverOrBar(context, record))));
  const barred = sandboxes
    .list()
    .flatMap((entry) => (entry.barred === undefined ? [] : entry.record.id));
  const spared = [...sandboxes.unreadable, ...barred];
  await cells?.reclaim(spared.map((owner) => ({ owner, directory: paths.vm(owner) })));
  await dropStale(context);
  await reapOrphans(context);
}
