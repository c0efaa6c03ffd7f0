/** Guarded Firecrackers on two nodes, started and asked as orchestrators do. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseJson, parseTemplate, readDocument, type NodeProfile } from "@evenkeel/core";
import { writeTinyKernel } from "@evenkeel/firecracker-double";
import { afterAll, beforeAll, expect } from "vitest";
import { installLauncher } from "../src/index.ts";
import type { Backend } from "./firecrackers.ts";
import { appears, call, processesOf, run } from "./launched.ts";
import { cascadeLake, ICE_LAKE_FILE, iceLake, temporaryDirectory } from "./pool.ts";

const NO_CHANGE = parseTemplate({});
export const CREATE = { snapshot_type: "Full", snapshot_path: "state", mem_file_path: "memory" };

export function load(path = "state") {
  const backend = { backend_type: "File", backend_path: "memory" };
  return { snapshot_path: path, mem_backend: backend, resume_vm: false };
}

async function install(firecracker: string, at: string, guard: NodeProfile, contracts?: string) {
  return installLauncher({
    ...(contracts === undefined ? {} : { contracts }),
    firecracker,
    at,
    choose: () => ({ template: NO_CHANGE, source: "a test", names: { name: "no change" } }),
    guard,
    time: "2026-11-24T00:00:00.000Z",
    path: process.env["PATH"] ?? "",
  });
}

export function contractIn(directory: string, name = "state") {
  const text = readFileSync(join(directory, `${name}.contract.json`), "utf8");
  const document = readDocument(parseJson(text), "");
  if (document.kind !== "contract") throw new Error(`a ${document.kind}`);
  return document.contract;
}

export function faultOf(body: string): string {
  return (JSON.parse(body) as { fault_message: string }).fault_message;
}

/** Installs launchers for a suite; what it returns is for its tests. */
export function guardedNodes({ binary }: Backend, contracts?: string) {
  const shared = mkdtempSync(join(tmpdir(), "evenkeel-guard-"));
  const iceLaunch = join(shared, "ice-lake");
  const cascadeLaunch = join(shared, "cascade-lake");
  beforeAll(async () => {
    const real = binary(join(shared, "versions"), { profile: ICE_LAKE_FILE });
    await install(real, iceLaunch, iceLake, contracts);
    await install(real, cascadeLaunch, cascadeLake, contracts);
  }, 60_000);
  afterAll(() => rmSync(shared, { recursive: true, force: true }));

  let started = 0;
  /** Starts one in a working directory. */
  async function start(at: string, cwd: string, allow?: string, args: readonly string[] = []) {
    const socket = join(cwd, `${++started}.sock`);
    const env = allow === undefined ? {} : { EVENKEEL_GUARD_ALLOW: allow };
    const running = run(at, ["--api-sock", socket, ...args], cwd, env);
    await appears(socket);
    const others = () => processesOf(socket).filter((pid) => pid !== running.child.pid);
    // The launcher's helper goes as soon as the guard stands.
    await expect.poll(() => others().length, { timeout: 10_000 }).toBe(1);
    const guard = others();
    const ask = (method: string, path: string, body?: object | string) =>
      call(socket, method, path, body);
    return { ...running, socket, ask, guard };
  }

  type Started = Awaited<ReturnType<typeof start>>;

  async function boot({ ask }: Started, cwd: string, machine: object = {}): Promise<void> {
    const kernel = join(cwd, "kernel");
    writeTinyKernel(kernel);
    const config = { vcpu_count: 2, mem_size_mib: 16, ...machine };
    const answers = [
      await ask("PUT", "/machine-config", config),
      await ask("PUT", "/boot-source", { kernel_image_path: kernel }),
      await ask("PUT", "/actions", { action_type: "InstanceStart" }),
      await ask("PATCH", "/vm", { state: "Paused" }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204, 204]);
  }

  /** A snapshot in a directory of its own, taken on the Ice Lake node. */
  async function snapshotOnIceLake(): Promise<string> {
    const cwd = temporaryDirectory();
    const vm = await start(iceLaunch, cwd);
    await boot(vm, cwd);
    expect(await vm.ask("PUT", "/snapshot/create", CREATE)).toEqual({ status: 204, body: "" });
    vm.child.kill("SIGKILL");
    return cwd;
  }

  return { iceLaunch, cascadeLaunch, start, boot, snapshotOnIceLake };
}
