/**
 * The snapshots of a node. Each is a directory that is staged beside its place, synced and
 * renamed: what has a name here is whole.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SnapshotMetadata } from "@evenkeel/api";
import { contractDigest, contractToJson, prettyJson, type CpuContract } from "@evenkeel/core";
import { AgentError } from "../errors.ts";
import { publish } from "./durable.ts";
import { limiter, type Limiter } from "./limiter.ts";
import {
  CONTRACT_FILE,
  listFiles,
  METADATA_FILE,
  readSnapshot,
  type Snapshot,
} from "./snapshot-files.ts";

/** Directories that begin with a dot are nobody's: half-written, or on their way out. */
const HIDDEN = ".";

/** A snapshot in the making. Ends with `commit` or `discard`. */
interface Stage {
  readonly directory: string;
  /** Writes contract and metadata, syncs everything, and gives the snapshot its name. */
  commit(metadata: Omit<SnapshotMetadata, "files">, contract: CpuContract): Promise<Snapshot>;
  discard(): Promise<void>;
}

export interface SnapshotStore {
  /** For copies and syncs of large files, a few at a time. */
  readonly heavy: Limiter;
  list(): readonly Snapshot[];
  /** The one object that stands for all contracts with this content. */
  intern(contract: CpuContract): CpuContract;
  digestOf(contract: CpuContract): string;
  /** Throws NO_SUCH_SNAPSHOT. */
  get(name: string): Snapshot;
  find(name: string): Snapshot | undefined;
  /** Whether a name is free for {@link stage}. */
  isFree(name: string): boolean;
  /** Reserves a name; throws NAME_TAKEN, also while another makes it. */
  stage(name: string): Promise<Stage>;
  /** Keeps a snapshot's files in place while `use` reads them. */
  hold<T>(name: string, use: (snapshot: Snapshot) => Promise<T>): Promise<T>;
  /**
   * Takes a snapshot off the list; throws NO_SUCH_SNAPSHOT. Its files go when nobody holds it any
   * more, and its name is free then.
   */
  remove(name: string): Promise<void>;
}

interface State {
  readonly root: string;
  readonly known: Map<string, Snapshot>;
  readonly reserved: Set<string>;
  /** How many read a snapshot's files. */
  readonly held: Map<Snapshot, number>;
  readonly heavy: Limiter;
  /** Contracts by digest: hundreds of sandboxes of one template share one object. */
  readonly contracts: Map<string, CpuContract>;
}

const digests = new WeakMap<CpuContract, string>();

function digestOf(contract: CpuContract): string {
  const digest = digests.get(contract) ?? contractDigest(contract);
  digests.set(contract, digest);
  return digest;
}

function intern({ contracts }: State, contract: CpuContract): CpuContract {
  const digest = digestOf(contract);
  const known = contracts.get(digest) ?? contract;
  contracts.set(digest, known);
  return known;
}

function isFree({ known, reserved }: State, name: string): boolean {
  return !known.has(name) && !reserved.has(name);
}

async function makeStage(state: State, name: string): Promise<Stage> {
  if (!isFree(state, name)) {
    throw new AgentError("NAME_TAKEN", `there is a snapshot called "${name}"`);
  }
  state.reserved.add(name);
  const directory = join(state.root, `${HIDDEN}new-${randomUUID()}`);
  const place = join(state.root, name);
  let placed = false;
  const discard = async () => {
    // Also one that got its name, and could not be synced then.
    if (placed && !state.known.has(name)) await rm(place, { recursive: true, force: true });
    await rm(directory, { recursive: true, force: true });
    state.reserved.delete(name);
  };
  try {
    await mkdir(join(directory, "disks"), { recursive: true, mode: 0o700 });
  } catch (error) {
    await discard();
    throw error;
  }
  return {
    directory,
    discard,
    commit: async (facts, contract) => {
      await writeFile(join(directory, CONTRACT_FILE), prettyJson(contractToJson(contract)));
      const metadata = { ...facts, name, files: await listFiles(directory) };
      await writeFile(join(directory, METADATA_FILE), prettyJson(metadata));
      placed = true;
      await state.heavy(() => publish(directory, place));
      const snapshot = { directory: place, metadata, contract: intern(state, contract) };
      state.known.set(name, snapshot);
      state.reserved.delete(name);
      return snapshot;
    },
  };
}

function find(state: State, name: string): Snapshot {
  const snapshot = state.known.get(name);
  if (snapshot !== undefined) return snapshot;
  throw new AgentError("NO_SUCH_SNAPSHOT", `there is no snapshot called "${name}"`);
}

async function removeTree(state: State, { directory, metadata }: Snapshot): Promise<void> {
  const gone = join(state.root, `${HIDDEN}gone-${randomUUID()}`);
  await rename(directory, gone);
  state.reserved.delete(metadata.name);
  await rm(gone, { recursive: true, force: true });
}

async function hold<T>(state: State, name: string, use: (snapshot: Snapshot) => Promise<T>) {
  const snapshot = find(state, name);
  state.held.set(snapshot, (state.held.get(snapshot) ?? 0) + 1);
  try {
    return await use(snapshot);
  } finally {
    const left = (state.held.get(snapshot) ?? 1) - 1;
    state.held.set(snapshot, left);
    if (left === 0) {
      state.held.delete(snapshot);
      if (state.known.get(name) !== snapshot) await removeTree(state, snapshot);
    }
  }
}

async function remove(state: State, name: string): Promise<void> {
  const snapshot = find(state, name);
  state.known.delete(name);
  state.reserved.add(name);
  if (!state.held.has(snapshot)) await removeTree(state, snapshot);
}

/**
 * Clears what an interrupted write left and reads the rest. `report` hears of what is not whole:
 * it is left alone, and its name is taken.
 */
async function load(state: State, report: (name: string, why: string) => void): Promise<void> {
  for (const name of await readdir(state.root)) {
    const directory = join(state.root, name);
    if (name.startsWith(HIDDEN)) {
      await rm(directory, { recursive: true, force: true });
      continue;
    }
    const read = await readSnapshot(directory);
    if (read.ok && read.snapshot.metadata.name === name) {
      const contract = intern(state, read.snapshot.contract);
      state.known.set(name, { ...read.snapshot, contract });
    } else {
      state.reserved.add(name);
      report(name, read.ok ? "it says that it has another name" : read.why);
    }
  }
}

export async function openSnapshots(
  root: string,
  report: (name: string, why: string) => void,
): Promise<SnapshotStore> {
  const state: State = {
    root,
    known: new Map(),
    reserved: new Set(),
    held: new Map(),
    heavy: limiter(2),
    contracts: new Map(),
  };
  await load(state, report);
  const byName = (a: Snapshot, b: Snapshot) => (a.metadata.name < b.metadata.name ? -1 : 1);
  return {
    heavy: state.heavy,
    intern: (contract) => intern(state, contract),
    digestOf,
    list: () => [...state.known.values()].toSorted(byName),
    get: (name) => find(state, name),
    find: (name) => state.known.get(name),
    isFree: (name) => isFree(state, name),
    stage: (name) => makeStage(state, name),
    hold: (name, use) => hold(state, name, use),
    remove: (name) => remove(state, name),
  };
}
