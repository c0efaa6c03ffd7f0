/** The contract beside a snapshot: `<snapshot_path>.contract.json`, whole or absent. */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import {
  contractToJson,
  parseJson,
  prettyJson,
  readDocument,
  type CpuContract,
} from "@evenkeel/core";

/** Relative paths are Firecracker's: the guard has the same working directory. */
function contractPath(snapshot: string): string {
  return `${snapshot}.contract.json`;
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** Throws where there is none, or none that can be read; the message says why. */
export function readContract(snapshot: string): CpuContract {
  const path = contractPath(snapshot);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`${path}: ${isAbsent(error) ? "there is none" : (code ?? message)}`, {
      cause: error,
    });
  }
  try {
    const document = readDocument(parseJson(text), "");
    if (document.kind === "contract") return document.contract;
    throw new Error(`this is a ${document.kind}`);
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** Which content a file has, as far as its inode tells; undefined where there is none. */
function stateOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : [stat.dev, stat.ino, stat.size, stat.ctimeNs].join(" ");
}

export interface Replacement {
  /** Puts the new contract there. */
  readonly write: (contract: CpuContract) => void;
  /** The old contract returns if there is no new snapshot and the old one is untouched. */
  readonly end: (taken: boolean) => void;
}

/**
 * Takes an old contract out of the way before its snapshot is overwritten, so that it never stands
 * beside another one, whatever ends the guard meanwhile. Throws where it cannot.
 */
export function replaceContract(snapshot: string): Replacement {
  const path = contractPath(snapshot);
  const old = `${path}.${process.pid}.old`;
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
      const temporary = `${path}.${process.pid}.tmp`;
      try {
        const fd = openSync(temporary, "w");
        try {
          writeSync(fd, prettyJson(contractToJson(contract)));
          fsyncSync(fd);
        } finally {
          closeSync(fd);
        }
        renameSync(temporary, path);
      } catch (error) {
        rmSync(temporary, { force: true });
        throw error;
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
