/** An agent as a process of its own, asked over its socket. */
import { readdirSync, readlinkSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { installDouble } from "@evenkeel/firecracker-double";
import { ICE_LAKE, makeImages, VERSION } from "./fixtures.ts";

export interface Reply {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- looked into below
  readonly body: any;
}

export function ask(
  socketPath: string,
  method: string,
  path: string,
  body?: object,
): Promise<Reply> {
  return new Promise((settle, reject) => {
    const headers = { "content-type": "application/json", connection: "close" };
    const sent = request({ socketPath, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        const status = response.statusCode ?? 0;
        settle({ status, body: text === "" ? undefined : JSON.parse(text) });
      });
    });
    sent.once("error", reject);
    sent.end(method === "POST" ? JSON.stringify(body ?? {}) : undefined);
  });
}

/** VMMs that run in a data directory, or where else is said, by pid. */
export function vmmsIn(directory: string, below = "d/vms"): number[] {
  const runsThere = (pid: string) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(join(directory, below));
    } catch {
      return false;
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && runsThere(name))
    .map(Number);
}

/** What an agent needs to run in a directory, made ready there. `data`: where its data goes. */
export function agentEnvironment(directory: string, data = join(directory, "d")) {
  const { kernelsDir, imagesDir } = makeImages(directory);
  installDouble(join(directory, "fc"), { version: VERSION });
  return {
    ...process.env,
    EVENKEEL_DATA_DIR: data,
    EVENKEEL_LISTEN: join(directory, "a.sock"),
    EVENKEEL_PROFILE: ICE_LAKE,
    EVENKEEL_FOREIGN_PROFILE: "1",
    // Doubles have no jailer.
    EVENKEEL_ISOLATION: "none",
    FIRECRACKER_VERSIONS_DIR: join(directory, "fc"),
    HOST_KERNELS_DIR: kernelsDir,
    EVENKEEL_IMAGES_DIR: imagesDir,
    EVENKEEL_LOG_LEVEL: "silent",
  };
}
