/** One worker thread as a function from a file to its scan. */
import { Worker } from "node:worker_threads";
import type { ScanResult } from "./result.ts";
import { scanFile } from "./scan-file.ts";
import type { Report, Task } from "./worker.ts";

export interface Thread {
  /** Settles always: a file that breaks the thread is reported as unread. */
  scan(task: Task, onProgress: (bytes: number) => void): Promise<readonly ScanResult[]>;
  close(): Promise<void>;
}

/** Far above the largest programs there are: a gigabyte of code takes a minute. */
const TIMEOUT_MS = 10 * 60 * 1000;
const MEMORY_MIB = 2048;

const SOURCE = import.meta.url.endsWith(".ts");

/** From source, in tests, a thread must first be taught TypeScript, as its parent was. */
function entry(): URL {
  if (!SOURCE) return new URL("./worker.js", import.meta.url);
  const loader = import.meta.resolve("tsx/esm/api");
  const worker = new URL("./worker.ts", import.meta.url);
  const script = `import { register } from "${loader}"; register(); await import("${worker.href}");`;
  return new URL(`data:text/javascript,${encodeURIComponent(script)}`);
}

function start(): Worker {
  return new Worker(entry(), {
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
    ...(SOURCE ? { execArgv: ["--conditions=@evenkeel/source"] } : {}),
  });
}

function run(worker: Worker, task: Task, onProgress: (bytes: number) => void) {
  return new Promise<readonly ScanResult[]>((resolve, reject) => {
    const timer = setTimeout(() => settle(() => reject(new Error("took too long"))), TIMEOUT_MS);
    const onMessage = (report: Report) => {
      if (report.kind === "progress") onProgress(report.bytes);
      else settle(() => resolve(report.results));
    };
    const onError = (error: Error) => settle(() => reject(error));
    const onExit = () => settle(() => reject(new Error("its thread ended")));
    function settle(finish: () => void): void {
      clearTimeout(timer);
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
      finish();
    }
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
    worker.postMessage(task);
  });
}

/** Scans in the calling thread: what is small is done before a thread has started. */
export const callingThread: Thread = {
  scan: ({ name, path }, onProgress) => Promise.resolve(scanFile(name, path, { onProgress })),
  close: () => Promise.resolve(),
};

export function openThread(): Thread {
  let worker: Worker | undefined;
  const close = async () => {
    const closing = worker;
    worker = undefined;
    await closing?.terminate();
  };
  return {
    async scan(task, onProgress) {
      worker ??= start();
      try {
        return await run(worker, task, onProgress);
      } catch (error) {
        await close();
        const reason = `could not be scanned: ${error instanceof Error ? error.message : String(error)}`;
        return [{ status: "unread", unread: { name: task.name, reason } }];
      }
    },
    close,
  };
}
