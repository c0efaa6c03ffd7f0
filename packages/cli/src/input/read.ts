/** Reading files and standard input, with limits and with errors that name the file. */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { CliError } from "../errors.ts";

/** Far above any document this project reads: a plan of 10,000 nodes has about one megabyte. */
const SIZE_LIMIT = 16 * 1024 * 1024;
/** Enough for a log of hundreds of thousands of lines. */
export const LOG_LIMIT = 64 * 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "no permission to read it",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "too many symbolic links",
  ENOTDIR: "a part of its path is not a directory",
};

export function unreadable(file: string, error: unknown): CliError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return new CliError("UNREADABLE", `${file}: ${REASONS[code] ?? String(error)}`, { cause: error });
}

function tooLarge(file: string, size: number | undefined, limit: number): CliError {
  const megabytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
  const is = size === undefined ? "is larger than" : `is ${megabytes(size)}, the limit is`;
  return new CliError("TOO_LARGE", `${file}: ${is} ${megabytes(limit)}`);
}

/** Reads a pipe or a device, whose size is not known, and stops at the limit. */
function readStream(fd: number, file: string, limit: number): Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(64 * 1024);
    const length = readAvailable(fd, chunk);
    if (length === 0) return Buffer.concat(chunks, size);
    size += length;
    if (size > limit) throw tooLarge(file, undefined, limit);
    chunks.push(chunk.subarray(0, length));
  }
}

/** A pipe that another program has made non-blocking answers EAGAIN until there is more. */
function readAvailable(fd: number, chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, chunk);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/**
 * Reads a whole file; `-` is standard input. If the file fits into `scratch`, the result is a slice
 * of it: for thousands of files that are read one after another.
 */
export function readInput(file: string, limit = SIZE_LIMIT, scratch?: Buffer): Buffer {
  if (file === "-") return readStdin(limit);
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (error) {
    throw unreadable(file, error);
  }
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new CliError("DIRECTORY", `${file}: is a directory`);
    // Files of /proc have no size, and are read to their end.
    if (!stat.isFile() || stat.size === 0) return readStream(fd, file, limit);
    if (stat.size > limit) throw tooLarge(file, stat.size, limit);
    return readWhole(fd, stat.size, scratch);
  } catch (error) {
    throw error instanceof CliError ? error : unreadable(file, error);
  } finally {
    closeSync(fd);
  }
}

/** A file of known size; what another process appends meanwhile is not read. */
function readWhole(fd: number, size: number, scratch: Buffer | undefined): Buffer {
  const fits = scratch !== undefined && size <= scratch.length;
  const bytes = fits ? scratch : Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const read = readSync(fd, bytes, length, size - length, null);
    if (read === 0) break;
    length += read;
  }
  return bytes.subarray(0, length);
}

function readStdin(limit: number): Buffer {
  try {
    return readStream(0, "standard input", limit);
  } catch (error) {
    throw error instanceof CliError ? error : unreadable("standard input", error);
  }
}

export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** A file's name in messages. */
export function displayName(file: string): string {
  return file === "-" ? "standard input" : file;
}

export function refuseStdinTwice(files: readonly string[]): void {
  if (files.filter((file) => file === "-").length > 1) {
    throw new CliError("STDIN_TWICE", "standard input (-) is named more than once");
  }
}
