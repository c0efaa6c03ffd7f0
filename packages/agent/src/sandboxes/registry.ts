/** All sandboxes of the node: in memory, and each as a record on disk that is updated at once. */
import { rmSync } from "node:fs";
import type { CpuContract } from "@evenkeel/core";
import type { MicroVm, VmExit } from "@evenkeel/host";
import { AgentError } from "../errors.ts";
import { replaceFile } from "../store/durable.ts";
import type { Paths } from "../store/paths.ts";
import type { SandboxRecord } from "./record.ts";

export interface Entry {
  readonly record: SandboxRecord;
  /** Of the running guest. */
  readonly contract: CpuContract | undefined;
  readonly vm: MicroVm | undefined;
  /** How its VMM exited, if it did so by itself. */
  readonly exit: VmExit | undefined;
  /** When cleaning up may be tried again, by the monotonic clock; 0: at once. */
  readonly settleFrom: number;
  /** The operation that has the sandbox now. */
  readonly busy: string | undefined;
  /** Why no operation is allowed on it, such as a VMM that is out of reach. */
  readonly barred: string | undefined;
  /** The record on the disk is older than this one: it could not be written. */
  readonly unwritten: boolean;
  /** How far the console was read. */
  readonly consoleOffset: number;
  /** The deadline by the monotonic clock, in milliseconds; undefined if there is none. */
  readonly due: number | undefined;
}

/** Never later than granted, however the wall clock has changed since. */
function dueOf({ deadline, granted = Infinity }: SandboxRecord): number | undefined {
  if (deadline === undefined) return undefined;
  const left = Math.min(Date.parse(deadline) - Date.now(), granted * 1000);
  return performance.now() + left;
}

export interface Registry {
  list(): readonly Entry[];
  /** Throws NO_SUCH_SANDBOX. */
  get(id: string): Entry;
  find(id: string): Entry | undefined;
  /** A new sandbox; throws NAME_TAKEN. */
  add(record: SandboxRecord): void;
  /** Adds one found on disk, which need not be written. */
  restore(record: SandboxRecord): void;
  /** Changes a record, on disk first. */
  save(id: string, change: Partial<SandboxRecord>): SandboxRecord;
  /** Changes a record to match reality, on disk now or, if that fails, later. */
  note(id: string, change: Partial<SandboxRecord>): SandboxRecord;
  /** Changes a record only in memory, if the change need not outlive this process. */
  mark(id: string, change: Partial<SandboxRecord>): void;
  /** Changes what is not on disk. */
  set(id: string, change: Partial<Omit<Entry, "record">>): void;
  remove(id: string): void;
  /** Ids whose records cannot be read: in use, and only ending them is allowed. */
  readonly unreadable: Set<string>;
  /** Runs an operation that has the sandbox to itself; throws BUSY, OUT_OF_REACH. */
  exclusive<T>(id: string, operation: string, run: (entry: Entry) => Promise<T>): Promise<T>;
  /** Forgets all sandboxes; their records stay for the next agent. */
  close(): void;
}

const FRESH = {
  contract: undefined,
  vm: undefined,
  exit: undefined,
  settleFrom: 0,
  busy: undefined,
  barred: undefined,
  unwritten: false,
  consoleOffset: 0,
} as const satisfies Omit<Entry, "record" | "due">;

/** Throws OUT_OF_REACH, BUSY. */
function requireFree(id: string, { barred, busy }: Entry): void {
  if (barred !== undefined) throw new AgentError("OUT_OF_REACH", `sandbox "${id}": ${barred}`);
  if (busy !== undefined) throw new AgentError("BUSY", `sandbox "${id}" is busy: ${busy}`);
}

function writeRecord(paths: Paths, record: SandboxRecord): void {
  replaceFile(paths.sandbox(record.id), `${JSON.stringify(record)}\n`);
}

/** Returns whether it could be written; if it `must` be, throws the reason instead. */
function isWritten(write: () => void, must: boolean): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if (must) throw error;
    return false;
  }
}

/** `settled` is called when an operation has released its sandbox. */
export function openRegistry(paths: Paths, settled: (id: string) => void): Registry {
  const entries = new Map<string, Entry>();
  const unreadable = new Set<string>();
  const get = (id: string): Entry => {
    const entry = entries.get(id);
    if (entry !== undefined) return entry;
    throw new AgentError("NO_SUCH_SANDBOX", `no sandbox "${id}"`);
  };
  const write = (record: SandboxRecord) => writeRecord(paths, record);
  const set: Registry["set"] = (id, change) => {
    const entry = entries.get(id);
    if (entry !== undefined) entries.set(id, { ...entry, ...change });
  };
  const change = (id: string, changes: Partial<SandboxRecord>, must: boolean): SandboxRecord => {
    const entry = get(id);
    const record = { ...entry.record, ...changes };
    const unwritten = !isWritten(() => write(record), must);
    const due = "deadline" in changes ? dueOf(record) : entry.due;
    entries.set(id, { ...entry, record, unwritten, due });
    return record;
  };
  return {
    unreadable,
    list: () => [...entries.values()],
    get,
    find: (id) => entries.get(id),
    add: (record) => {
      if (entries.has(record.id) || unreadable.has(record.id)) {
        throw new AgentError("NAME_TAKEN", `a sandbox already exists: "${record.id}"`);
      }
      write(record);
      entries.set(record.id, { record, ...FRESH, due: dueOf(record) });
    },
    restore: (record) => void entries.set(record.id, { record, ...FRESH, due: dueOf(record) }),
    save: (id, changes) => change(id, changes, true),
    note: (id, changes) => change(id, changes, false),
    mark: (id, changes) => {
      const entry = get(id);
      entries.set(id, { ...entry, record: { ...entry.record, ...changes } });
    },
    set,
    remove: (id) => {
      rmSync(paths.sandbox(id), { force: true });
      entries.delete(id);
      unreadable.delete(id);
    },
    exclusive: async (id, operation, run) => {
      const entry = get(id);
      requireFree(id, entry);
      set(id, { busy: operation });
      try {
        return await run(entry);
      } finally {
        set(id, { busy: undefined });
        settled(id);
      }
    },
    close: () => entries.clear(),
  };
}
