/**
 * Contracts by the digest of their snapshot's state file, in a directory that nodes share: for
 * orchestrators that move a snapshot file by file and know of no contract beside it. Guests of one
 * template on one node have the same contract, so that it is kept once:
 *
 *     contracts/<digest of the contract>.json
 *     states/<first two digits>/<digest of the state file>    the contract's digest, 64 digits
 *
 * Both are written whole and never change: whoever comes second writes the same.
 */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import {
  contractDigest,
  contractToJson,
  parseJson,
  prettyJson,
  readDocument,
  type CpuContract,
} from "@evenkeel/core";
import { readPlainSync } from "../plain-file.ts";

/** Those of today have some 50 KiB. */
export const CONTRACT_LIMIT = 1024 * 1024;
const DIGEST = /^[0-9a-f]{64}$/;

export interface ContractStore {
  /** `state`: SHA-256 of the state file. Throws where it cannot be written. */
  readonly keep: (contract: CpuContract, state: string) => void;
  /** Undefined if the state file is not known; throws if the stored contract cannot be read. */
  readonly find: (state: string) => CpuContract | undefined;
}

/** Writes a file atomically and makes its directory. */
export function placeWhole(path: string, text: string): void {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const fd = openSync(temporary, "wx", 0o644);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function place(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  placeWhole(path, text);
}

function textOf(path: string, limit: number): string | undefined {
  try {
    return readPlainSync(path, limit).toString("utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

export function contractStore(directory: string): ContractStore {
  const contractAt = (digest: string) => join(directory, "contracts", `${digest}.json`);
  const stateAt = (state: string) => join(directory, "states", state.slice(0, 2), state);

  return {
    keep: (contract, state) => {
      const digest = contractDigest(contract);
      // The contract first, so that a known state always leads to an existing contract.
      if (!existsSync(contractAt(digest))) {
        place(contractAt(digest), prettyJson(contractToJson(contract)));
      }
      place(stateAt(state), `${digest}\n`);
    },
    find: (state) => {
      const digest = textOf(stateAt(state), 2 * 64)?.trim();
      if (digest === undefined) return undefined;
      const file = contractAt(digest);
      const text = DIGEST.test(digest) ? textOf(file, CONTRACT_LIMIT) : undefined;
      if (text === undefined) throw new Error(`${stateAt(state)} leads to no contract`);
      const document = readDocument(parseJson(text), "");
      if (document.kind !== "contract") throw new Error(`${file}: this is a ${document.kind}`);
      if (contractDigest(document.contract) === digest) return document.contract;
      throw new Error(`${file}: its content does not match its name`);
    },
  };
}
