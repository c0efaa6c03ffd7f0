/** `--describe-snapshot`: the format version of a state file. */
import { readFileSync } from "node:fs";
import { Failure, osDebug } from "./failure.ts";
import { osReason } from "./fault.ts";
import { formatOf, readerOf, StateError } from "./state-file.ts";

function failure(words: string, debug: string): Failure {
  const message = `When printing Snapshot Data format: ${words}`;
  return new Failure(message, `PrintSnapshotDataFormat(${debug})`);
}

function open(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const words = `Unable to open snapshot state file: ${osReason(error)}`;
    throw failure(words, `OpenSnapshot(${osDebug(error)})`);
  }
}

/** Such as `8.0.0`; throws a {@link Failure} in Firecracker's words. */
export function describeState(path: string, version: string): string {
  const bytes = open(path);
  try {
    return formatOf(bytes, readerOf(version));
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    const words = `Invalid data format version of snapshot file: ${error.message}`;
    throw failure(words, `SnapshotVersion(${error.debug})`);
  }
}
