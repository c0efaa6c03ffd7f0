/** Releases with a launcher in their jailer's place, and what an orchestrator starts there. */
import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeTinyKernel } from "@evenkeel/firecracker-double";
import { installLauncher, type InstallOptions } from "../src/launcher/install.ts";
import { hasJailer } from "../src/isolation/jailer.ts";
import { call } from "./launched.ts";
import { temporaryDirectory } from "./pool.ts";

export const BINARY = process.env["EVENKEEL_FIRECRACKER"] ?? "";
/** Of this process alone: another may test the same. */
export const USER = 0x7300_0000 + process.pid;

function missing(): string | undefined {
  if (BINARY === "") return "EVENKEEL_FIRECRACKER is not set";
  if (!hasJailer(BINARY)) return `there is no jailer beside ${BINARY}`;
  return process.getuid?.() === 0 ? undefined : "the jailer needs root";
}

/** Why nothing can be tested here. */
export const WHY = missing();
if (WHY !== undefined) process.stdout.write(`skipped behind a jailer: ${WHY}\n`);

/** A release of its own, with a launcher in its jailer's place. */
export async function installed(change: Partial<InstallOptions> & Pick<InstallOptions, "choose">) {
  const directory = temporaryDirectory();
  for (const name of ["firecracker", "jailer"]) {
    copyFileSync(join(dirname(BINARY), name), join(directory, name));
  }
  const jailer = join(directory, "jailer");
  const record = await installLauncher({
    firecracker: jailer,
    at: jailer,
    time: "2026-11-24T00:00:00.000Z",
    path: process.env["PATH"] ?? "",
    ...change,
  });
  mkdirSync(join(directory, BASE));
  return { directory, jailer, record, root: rootOf(directory) };
}

const BASE = "firecracker.d";

/** Where the jailer makes a jail. */
export function rootOf(directory: string, id = "vm-1"): string {
  return join(directory, BASE, "firecracker", id, "root");
}

/** A jailer's command line: options of its own, and behind `--` Firecracker's. */
export function args(
  directory: string,
  own: readonly string[],
  rest: readonly string[],
  id = "vm-1",
): string[] {
  const user = ["--uid", String(USER), "--gid", String(USER)];
  const where = ["--exec-file", join(directory, "firecracker")];
  const base = ["--chroot-base-dir", join(directory, BASE)];
  return ["--id", id, ...where, ...user, ...base, ...own, ...rest];
}

/** Boots a kernel that stands in the jail; the answer to its start. */
export async function boot(root: string, socket: string) {
  writeTinyKernel(join(root, "kernel"));
  await call(socket, "PUT", "/boot-source", { kernel_image_path: "kernel" });
  await call(socket, "PUT", "/machine-config", { vcpu_count: 1, mem_size_mib: 16 });
  return call(socket, "PUT", "/actions", { action_type: "InstanceStart" });
}
