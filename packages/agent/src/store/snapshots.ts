/**
 * The snapshots of a node. Each is a directory that is staged under a temporary name, synced and
 * renamed: what has a name here is complete. Each use verifies that it is unchanged.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { contractDigest, type CpuContract } from "@evenkeel/core";
import { AgentError, messageOf } from "../errors.ts";
import { replaceFile } from "./durable.ts";
import { limiter, type Limiter } from "./limiter.ts";
import { METADATA_FILE } from "./manifest.ts";
import { finishRemoval, markDeleted, wasDeleted } from "./removal.ts";
import type { Signatures } from "./signatures.ts";
import {
  changedSince,
  contentDiffers,
  isSmall,
  localText,
  readSnapshot,
  type Snapshot,
} from "./snapshot-files.ts";
import { makeStage, type Stage } from "./stage.ts";

/** Directories that begin with a dot are half-written, or being removed. */
const HIDDEN = ".";

export interface SnapshotStore {
  readonly root: string;
  readonly signatures: Signatures;
  /** Limits copies and syncs of large files to a few at a time. */
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
  /** Reserves a name; throws NAME_TAKEN, also while another operation is creating it. */
  stage(name: string): Promise<Stage>;
  /**
   * Keeps a snapshot's files in place while `use` reads them. Verifies manifest, state, contract
   * and metadata first; throws SNAPSHOT_DAMAGED, UNTRUSTED.
   */
  hold<T>(name: string, use: (snapshot: Snapshot) => Promise<T>): Promise<T>;
  /** Verifies memory and disks too; throws SNAPSHOT_DAMAGED and remembers it. */
  verify(name: string, bytesPerSecond?: number): Promise<void>;
  /**
   * Deletes a snapshot durably; throws NO_SUCH_SNAPSHOT, or if that cannot be recorded. Its files
   * are removed and its name freed once nobody uses it any more.
   */
  remove(name: string): Promise<void>;
}

export interface StoreState {
  readonly root: string;
  readonly known: Map<string, Snapshot>;
  readonly reserved: Set<string>;
  /** How many readers a snapshot's files have, by directory, damaged or not. */
  readonly held: Map<string, number>;
  /** Directories of snapshots that were deleted and are still read. */
  readonly deleted: Set<string>;
  readonly heavy: Limiter;
  readonly signatures: Signatures;
  /** Contracts by digest: hundreds of sandboxes of one template share one object. */
  readonly contracts: Map<string, CpuContract>;
  /** Receives errors of snapshots for which no caller is waiting. */
  readonly report: (name: string, why: string) => void;
}

const digests = new WeakMap<CpuContract, string>();

function digestOf(contract: CpuContract): string {
  const digest = digests.get(contract) ?? contractDigest(contract);
  digests.set(contract, digest);
  return digest;
}

function intern({ contracts }: StoreState, contract: CpuContract): CpuContract {
  const digest = digestOf(contract);
  const known = contracts.get(digest) ?? contract;
  contracts.set(digest, known);
  return known;
}

function find(state: StoreState, name: string): Snapshot {
  const snapshot = state.known.get(name);
  if (snapshot !== undefined) return snapshot;
  throw new AgentError("NO_SUCH_SNAPSHOT", `no snapshot named "${name}"`);
}

function damaged(name: string, why: string): AgentError {
  return new AgentError("SNAPSHOT_DAMAGED", `snapshot "${name}": ${why}`);
}

async function requireUnchanged({ signatures }: StoreState, snapshot: Snapshot): Promise<void> {
  const { name, damaged: found, signedBy } = snapshot.metadata;
  const why = found ?? (await changedSince(snapshot));
  if (why !== undefined) throw damaged(name, why);
  signatures.requireTrusted(signedBy, `snapshot "${name}"`);
}

async function letGo(state: StoreState, { directory, metadata }: Snapshot): Promise<void> {
  const left = (state.held.get(directory) ?? 1) - 1;
  state.held.set(directory, left);
  if (left > 0) return;
  state.held.delete(directory);
  if (state.deleted.delete(directory)) await finishRemoval(state, metadata.name);
}

async function hold<T>(state: StoreState, name: string, use: (snapshot: Snapshot) => Promise<T>) {
  const snapshot = find(state, name);
  const { directory } = snapshot;
  state.held.set(directory, (state.held.get(directory) ?? 0) + 1);
  try {
    await requireUnchanged(state, snapshot);
    return await use(snapshot);
  } catch (error) {
    // One that was deleted meanwhile is not damaged.
    if (error instanceof AgentError && error.code === "SNAPSHOT_DAMAGED") find(state, name);
    throw error;
  } finally {
    await letGo(state, snapshot);
  }
}

/** Remembers what is wrong with a snapshot, also on disk if possible. */
function noteDamage(state: StoreState, snapshot: Snapshot, why: string): void {
  const local = { ...snapshot.local, damaged: why };
  const { name } = snapshot.metadata;
  if (!state.known.has(name)) return;
  state.known.set(name, { ...snapshot, local, metadata: { ...snapshot.metadata, damaged: why } });
  try {
    replaceFile(join(snapshot.directory, METADATA_FILE), localText(local));
  } catch (error) {
    state.report(name, `it is damaged, and this could not be recorded: ${messageOf(error)}`);
  }
}

async function verify(state: StoreState, name: string, bytesPerSecond = 0): Promise<void> {
  await hold(state, name, async (snapshot) => {
    const large = snapshot.metadata.files.filter((file) => !isSmall(file));
    let why: string | undefined;
    try {
      why = await contentDiffers(snapshot.directory, large, bytesPerSecond);
    } catch (error) {
      why = messageOf(error);
    }
    if (why === undefined) return;
    noteDamage(state, snapshot, why);
    throw damaged(name, why);
  });
}

async function remove(state: StoreState, name: string): Promise<void> {
  const snapshot = find(state, name);
  const { directory } = snapshot;
  // From here on nobody can start to use it.
  state.known.delete(name);
  state.reserved.add(name);
  try {
    await markDeleted(directory);
  } catch (error) {
    state.known.set(name, snapshot);
    state.reserved.delete(name);
    throw error;
  }
  if (state.held.has(directory)) state.deleted.add(directory);
  else await finishRemoval(state, name);
}

/**
 * Clears what an interrupted write or removal left, and reads the rest. An incomplete snapshot is
 * left alone and keeps its name.
 */
async function load(state: StoreState): Promise<void> {
  for (const name of await readdir(state.root)) {
    const directory = join(state.root, name);
    if (name.startsWith(HIDDEN) || wasDeleted(directory)) {
      await rm(directory, { recursive: true, force: true }).catch((error: unknown) => {
        state.reserved.add(name);
        state.report(name, messageOf(error));
      });
      continue;
    }
    const read = await readSnapshot(directory, state.signatures);
    if (read.ok && read.snapshot.metadata.name === name) {
      const contract = intern(state, read.snapshot.contract);
      state.known.set(name, { ...read.snapshot, contract });
    } else {
      state.reserved.add(name);
      state.report(name, read.ok ? "its metadata has a different name" : read.why);
    }
  }
}

export async function openSnapshots(
  root: string,
  signatures: Signatures,
  report: (name: string, why: string) => void,
): Promise<SnapshotStore> {
  const state: StoreState = {
    root,
    signatures,
    report,
    known: new Map(),
    reserved: new Set(),
    held: new Map(),
    deleted: new Set(),
    heavy: limiter(2),
    contracts: new Map(),
  };
  await load(state);
  const byName = (a: Snapshot, b: Snapshot) => (a.metadata.name < b.metadata.name ? -1 : 1);
  return {
    root,
    signatures,
    heavy: state.heavy,
    intern: (contract) => intern(state, contract),
    digestOf,
    list: () => [...state.known.values()].toSorted(byName),
    get: (name) => find(state, name),
    find: (name) => state.known.get(name),
    isFree: (name) => !state.known.has(name) && !state.reserved.has(name),
    stage: (name) => makeStage(state, name, (contract) => intern(state, contract), digestOf),
    hold: (name, use) => hold(state, name, use),
    verify: (name, bytesPerSecond) => verify(state, name, bytesPerSecond),
    remove: (name) => remove(state, name),
  };
}
