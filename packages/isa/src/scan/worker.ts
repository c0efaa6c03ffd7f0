/** A thread that scans one file after another. */
import { parentPort } from "node:worker_threads";
import type { ScanResult } from "./result.ts";
import { scanFile } from "./scan-file.ts";

export interface Task {
  readonly name: string;
  readonly path: string;
}

export type Report =
  | { readonly kind: "progress"; readonly bytes: number }
  | { readonly kind: "done"; readonly results: readonly ScanResult[] };

parentPort?.on("message", ({ name, path }: Task) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
  const send = (report: Report) => parentPort?.postMessage(report);
  const results = scanFile(name, path, {
    onProgress: (bytes) => send({ kind: "progress", bytes }),
  });
  send({ kind: "done", results });
});
