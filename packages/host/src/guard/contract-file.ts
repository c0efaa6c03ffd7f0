/**
 * The contract beside a snapshot: `<snapshot_path>.contract.json`, complete or absent. It contains
 * the digest of its state file, so that it cannot be used for another one. Others may write to the
 * directory: no link is followed, no open blocks, and every read is bounded.
 */
import { createHash, randomUUID } from "node:crypto";
import { closeSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import {
  contractToJson,
  parseJson,
  prettyJson,
  readDocument,
  type CpuContract,
} from "@evenkeel/core";
import { openPlainSync, readPlainSync } from "../plain-file.ts";
import { CONTRACT_LIMIT, placeWhole, type ContractStore } from "./contract-store.ts";
import { placeOf, type JailRoot } from "./place.ts";

/** A state file has a few hundred KiB; anything larger is not one. */
const STATE_LIMIT = 256 * 1024 * 1024;
const CHUNK = 1024 * 1024;

/** Where a guard finds snapshots and contracts. */
interface Whereabouts {
  /** Undefined: Firecracker is in no jail. */
  readonly jail?: JailRoot | undefined;
  /** Undefined: contracts stand beside their snapshots. */
  readonly store?: ContractStore | undefined;
}

function contractPath(snapshot: string): string {
  return `${snapshot}.contract.json`;
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** SHA-256 of a state file; throws where it is no plain file or too large. */
function stateDigest(snapshot: string): string {
  const fd = openPlainSync(snapshot);
  try {
    const hash = createHash("sha256");
    const buffer = Buffer.alloc(CHUNK);
    for (let total = 0; ;) {
      const read = readSync(fd, buffer, 0, CHUNK, null);
      if (read === 0) return hash.digest("hex");
      total += read;
      if (total > STATE_LIMIT) throw new Error(`${snapshot}: too large to be a state file`);
      hash.update(buffer.subarray(0, read));
    }
  } finally {
    closeSync(fd);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function readText(path: string): string {
  try {
    return readPlainSync(path, CONTRACT_LIMIT).toString("utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (isAbsent(error)) throw new Error(`${path}: no such file`, { cause: error });
    if (code === "ELOOP") throw new Error(`${path}: a symbolic link`, { cause: error });
    throw new Error(message, { cause: error });
  }
}

/** Throws if the contract names a state file's digest and this is a different file. */
function requireState(json: unknown, snapshot: string): void {
  const { state } = json as { readonly state?: unknown };
  if (state === undefined) return;
  if (stateDigest(snapshot) === state) return;
  throw new Error("it belongs to a different state file");
}

/** The contract that nodes share, for a snapshot that came without one. */
function findContract(snapshot: string, store: ContractStore): CpuContract {
  const state = stateDigest(snapshot);
  const contract = store.find(state);
  if (contract !== undefined) return contract;
  throw new Error(`${snapshot}: none beside it, and none stored for its digest ${state}`);
}

/**
 * The contract beside the snapshot, else the shared one for its state file. Throws if there is none
 * or it cannot be read; the message says why.
 */
export function readContract(snapshot: string, { jail, store }: Whereabouts = {}): CpuContract {
  const place = placeOf(snapshot, jail);
  try {
    return readAt(place.path, store);
  } catch (error) {
    throw new Error(reasonOf(error).replaceAll(place.path, snapshot), { cause: error });
  } finally {
    place.close();
  }
}

function readAt(snapshot: string, store: ContractStore | undefined): CpuContract {
  const path = contractPath(snapshot);
  if (store !== undefined && statSync(path, { throwIfNoEntry: false }) === undefined) {
    return findContract(snapshot, store);
  }
  const text = readText(path);
  try {
    const json = parseJson(text);
    const document = readDocument(json, "");
    if (document.kind !== "contract") throw new Error(`this is a ${document.kind}`);
    requireState(json, snapshot);
    return document.contract;
  } catch (error) {
    throw new Error(`${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function textOf(contract: CpuContract, snapshot: string): string {
  return prettyJson({ ...contractToJson(contract), state: stateDigest(snapshot) });
}

/** Identifies a file's content as far as its inode allows; undefined if there is no file. */
function stateOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : [stat.dev, stat.ino, stat.size, stat.ctimeNs].join(" ");
}

export interface Replacement {
  /**
   * Puts the new contract into the shared directory, else beside the snapshot. If it should have
   * been shared but is not, returns why.
   */
  readonly write: (contract: CpuContract) => string | undefined;
  /** Restores the old contract if there is no new snapshot and the old one is untouched. */
  readonly end: (taken: boolean) => void;
}

/**
 * Moves an old contract away before its snapshot is overwritten, so that it is never beside a
 * different snapshot, even if the guard is killed meanwhile. Throws if it cannot. The caller must
 * finish what this returns.
 */
export function replaceContract(snapshot: string, { jail, store }: Whereabouts = {}): Replacement {
  const { path, close } = placeOf(snapshot, jail);
  try {
    const replacement = replaceAt(path, store);
    return {
      write: replacement.write,
      end: (taken) => {
        try {
          replacement.end(taken);
        } finally {
          close();
        }
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

function replaceAt(snapshot: string, store: ContractStore | undefined): Replacement {
  const path = contractPath(snapshot);
  // A name that nobody can have used in advance.
  const old = `${path}.${randomUUID()}.old`;
  const before = stateOf(snapshot);
  let aside = false;
  try {
    renameSync(path, old);
    aside = true;
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  return {
    write: (contract) => {
      if (store === undefined) {
        placeWhole(path, textOf(contract, snapshot));
        return undefined;
      }
      try {
        store.keep(contract, stateDigest(snapshot));
        return undefined;
      } catch (error) {
        placeWhole(path, textOf(contract, snapshot));
        return reasonOf(error);
      }
    },
    end: (taken) => {
      if (!aside) return;
      const untouched = !taken && before !== undefined && stateOf(snapshot) === before;
      if (untouched) renameSync(old, path);
      else rmSync(old, { force: true });
    },
  };
}
