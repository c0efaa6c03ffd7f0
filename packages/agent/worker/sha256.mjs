/* oxlint-disable unicorn/require-post-message-target-origin -- a thread has no origin */
/**
 * Hashes files in a thread of its own: gigabytes of a guest's memory must not keep the agent from
 * answering. Plain JavaScript, since a worker is loaded by path from the source and the build alike.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort } from "node:worker_threads";

const CHUNK = 1024 * 1024;
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Bytes per second are kept to by sleeping after each chunk; 0 is as fast as it goes. */
async function hash(path, bytesPerSecond) {
  const fd = openSync(path, FLAGS);
  try {
    if (!fstatSync(fd).isFile()) throw new Error(`${path}: not a regular file`);
    const sum = createHash("sha256");
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (;;) {
      const read = readSync(fd, buffer, 0, CHUNK, null);
      if (read === 0) return sum.digest("hex");
      sum.update(buffer.subarray(0, read));
      if (bytesPerSecond > 0) await sleep((read / bytesPerSecond) * 1000);
    }
  } finally {
    closeSync(fd);
  }
}

parentPort.on("message", async ({ id, path, bytesPerSecond }) => {
  try {
    parentPort.postMessage({ id, digest: await hash(path, bytesPerSecond) });
  } catch (error) {
    parentPort.postMessage({ id, error: error.message, code: error.code });
  }
});
