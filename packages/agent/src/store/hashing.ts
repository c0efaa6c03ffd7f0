/** SHA-256 of files; large ones are hashed in a thread that exists only while needed. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { readPlainSync } from "@evenkeel/host";

const WORKER = new URL("../../worker/sha256.mjs", import.meta.url);
/** A thread costs some megabytes; it is kept for a while, because pauses come in bursts. */
const IDLE_MS = 5000;
/** Hashing this much takes less time than starting a thread. */
const SMALL = 1024 * 1024;

export function sha256(bytes: Buffer | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

interface Reply {
  readonly id: number;
  readonly digest?: string;
  readonly error?: string;
  readonly code?: string;
}

type Settle = (reply: Reply) => void;

/** One thread: files are hashed concurrently only if throttled. */
function openThread() {
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let last = 0;
  const waiting = new Map<number, Settle>();

  function end(): void {
    void worker?.terminate();
    worker = undefined;
  }

  function start(): Worker {
    const started = new Worker(WORKER, { resourceLimits: { maxOldGenerationSizeMb: 32 } });
    started.unref();
    started.on("message", (reply: Reply) => {
      waiting.get(reply.id)?.(reply);
      waiting.delete(reply.id);
      if (waiting.size > 0) return;
      started.unref();
      idle = setTimeout(end, IDLE_MS);
      idle.unref();
    });
    started.on("error", (error) => {
      worker = undefined;
      for (const [id, settle] of waiting) settle({ id, error: error.message });
      waiting.clear();
    });
    return started;
  }

  return (path: string, bytesPerSecond: number): Promise<string> => {
    clearTimeout(idle);
    worker ??= start();
    // Nothing else may keep the process alive while somebody waits for this.
    worker.ref();
    const id = ++last;
    const reply = new Promise<Reply>((settle) => waiting.set(id, settle));
    // A thread has no origin.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    worker.postMessage({ id, path, bytesPerSecond });
    return reply.then(({ digest, error, code }) => {
      if (digest !== undefined) return digest;
      throw Object.assign(new Error(error), code === undefined ? {} : { code });
    });
  };
}

const inThread = openThread();
/** Throttled, so that it does not slow down urgent work. */
const inSlowThread = openThread();

/**
 * The digest of a plain file as hexadecimal digits. `bytesPerSecond`: no faster than that. Throws
 * what the file system says, and where it is no plain file.
 */
export async function fileDigest(path: string, bytesPerSecond = 0): Promise<string> {
  const { size } = statSync(path);
  if (size <= SMALL) return sha256(readPlainSync(path, SMALL));
  return bytesPerSecond === 0 ? inThread(path, 0) : inSlowThread(path, bytesPerSecond);
}
