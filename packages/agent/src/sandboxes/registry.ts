/** All sandboxes of the node: in memory, and each as a record on disk that follows at once. */
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
  /** How its VMM ended, if it did without being told to. */
  readonly exit: VmExit | undefined;
  /** The operation that has the sandbox now. */
  readonly busy: string | undefined;
  /** How far the console was read. */
  readonly consoleOffset: number;
}

export interface Registry {
  list(): readonly Entry[];
  /** Throws NO_SUCH_SANDBOX. */
  get(id: string): Entry;
  find(id: string): Entry | undefined;
  /** A new sandbox, or one found on disk. Throws NAME_TAKEN. */
  add(record: SandboxRecord): void;
  /** Changes a record, on disk first. */
  save(id: string, change: Partial<SandboxRecord>): SandboxRecord;
  /** Changes what is not on disk. */
  set(id: string, change: Partial<Omit<Entry, "record">>): void;
  remove(id: string): void;
  /** Runs an operation that has the sandbox to itself; throws BUSY. */
  exclusive<T>(id: string, operation: string, run: (entry: Entry) => Promise<T>): Promise<T>;
  /** Forgets all sandboxes; their records stay for the next agent. */
  close(): void;
}

/** `settled` is called when an operation has let go of its sandbox. */
export function openRegistry(paths: Paths, settled: (id: string) => void): Registry {
  const entries = new Map<string, Entry>();
  const get = (id: string): Entry => {
    const entry = entries.get(id);
    if (entry !== undefined) return entry;
    throw new AgentError("NO_SUCH_SANDBOX", `there is no sandbox "${id}"`);
  };
  const write = (record: SandboxRecord) => {
    replaceFile(paths.sandbox(record.id), `${JSON.stringify(record)}\n`);
  };
  const set: Registry["set"] = (id, change) => {
    const entry = entries.get(id);
    if (entry !== undefined) entries.set(id, { ...entry, ...change });
  };
  return {
    list: () => [...entries.values()],
    get,
    find: (id) => entries.get(id),
    add: (record) => {
      if (entries.has(record.id)) {
        throw new AgentError("NAME_TAKEN", `there is a sandbox "${record.id}"`);
      }
      write(record);
      const nothing = { contract: undefined, vm: undefined, exit: undefined, busy: undefined };
      entries.set(record.id, { record, ...nothing, consoleOffset: 0 });
    },
    save: (id, change) => {
      const entry = get(id);
      const record = { ...entry.record, ...change };
      write(record);
      entries.set(id, { ...entry, record });
      return record;
    },
    set,
    remove: (id) => {
      rmSync(paths.sandbox(id), { force: true });
      entries.delete(id);
    },
    exclusive: async (id, operation, run) => {
      const entry = get(id);
      if (entry.busy !== undefined) {
        throw new AgentError("BUSY", `sandbox "${id}" is busy: ${entry.busy}`);
      }
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
