/** The files of a snapshot: writing them, and everything that a load looks at. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { connect } from "node:net";
import { fault, osReason, within } from "./fault.ts";
import { decodeState, encodeState, type FileKind } from "./state-file.ts";
import { LINE, lineNumber } from "./versions.ts";

const MIB = 1024 * 1024;

/** What the double keeps of a microVM. */
export interface SavedState {
  readonly machine: Readonly<Record<string, unknown>>;
  readonly bootSource: Readonly<Record<string, unknown>>;
  readonly drives: readonly Readonly<Record<string, unknown>>[];
  /** The guest CPU as a contract's JSON; null where the double knows no node. */
  readonly cpu: unknown;
}

function backing<T>(file: string, operation: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw fault(`Cannot perform ${operation} on the ${file} backing file: ${osReason(error)}`);
  }
}

function writeWhole(path: string, bytes: Buffer): void {
  const fd = backing("snapshot", "open", () => openSync(path, "w"));
  try {
    backing("snapshot", "flush", () => writeSync(fd, bytes));
    backing("snapshot", "sync_all", () => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}

/** Sparse, with a mark of this microVM at its beginning: what a guest's memory boils down to here. */
function writeMemory(path: string, mib: number, mark: string): void {
  const existed = existsSync(path);
  const fd = backing("memory", "open", () => openSync(path, existed ? "r+" : "w"));
  try {
    backing("memory", "set_length", () => ftruncateSync(fd, mib * MIB));
    backing("memory", "flush", () => writeSync(fd, mark, 0));
    backing("memory", "sync_all", () => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}

export function writeSnapshot(
  files: { readonly state: string; readonly memory: string },
  saved: SavedState,
  kind: FileKind,
): void {
  writeWhole(files.state, encodeState(saved, kind));
  writeMemory(files.memory, Number(saved.machine["mem_size_mib"]), "evenkeel double's memory\n");
}

function open(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw fault(`Failed to open snapshot file: ${osReason(error)}`);
  }
}

export function readState(path: string, kind: FileKind): SavedState {
  return within("Failed to get snapshot state from file: ", () => {
    const bytes = open(path);
    return within("Failed to load snapshot state from file: ", () =>
      decodeState(bytes, kind),
    ) as SavedState;
  });
}

export function checkMemoryFile(path: string, mib: number, version: string): void {
  within("Failed to load guest memory: Error creating guest memory from file: ", () => {
    const size = within("Failed to load guest memory: ", () => {
      try {
        return statSync(path).size;
      } catch (error) {
        throw fault(osReason(error));
      }
    });
    if (size < mib * MIB) {
      const reason =
        lineNumber(version) < LINE.sumsMemory
          ? "Cannot create mmap region: The specified file offset and length is greater then file length"
          : "Total sum of memory regions exceeds largest possible file offset";
      throw fault(`Failed to restore guest memory: ${reason}`);
    }
  });
}

/** Hands the mappings to a page-fault handler; the double has no memory that could fault. */
export function greetHandler(path: string, mib: number): Promise<void> {
  const mapping = {
    base_host_virt_addr: 0,
    size: mib * MIB,
    offset: 0,
    page_size: 4096,
    page_size_kib: 4096,
  };
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("error", (error) => {
      const reason = `Failed to connect to UDS Unix stream: ${osReason(error)}`;
      reject(
        fault(`Failed to load guest memory: Error creating guest memory from uffd: ${reason}`),
      );
    });
    socket.once("connect", () => {
      socket.removeAllListeners("error").on("error", () => undefined);
      socket.write(JSON.stringify([mapping]), () => resolve());
      socket.unref();
    });
  });
}
