/** Where everything is in an agent's data directory. docs/agent.md shows the same. */
import { SOCKET_PATH_LIMIT } from "@evenkeel/core";
import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { VmmDriver } from "@evenkeel/host";
import { AgentError } from "../errors.ts";

export interface Paths {
  readonly data: string;
  readonly snapshots: string;
  readonly sandboxes: string;
  readonly vms: string;
  readonly lock: string;
  /** A sandbox's record. */
  sandbox(id: string): string;
  /** The directory of a sandbox's microVM: socket, console, disks. */
  vm(id: string): string;
}

/** `vms/`, an id, and the longest socket name that a VMM makes there. */
const LONGEST_SOCKET = "/vms/".length + 32 + "/vsock.sock_4294967295".length;

/** Without symbolic links: processes are found again by the directory that they run in. */
function realDirectory(directory: string): string {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return realpathSync(directory);
  } catch (cause) {
    throw new AgentError("BAD_CONFIG", `${directory}: cannot be created or read`, { cause });
  }
}

/** QEMU's driver works around socket paths that are too long, and makes no vsock. */
export function openPaths(directory: string, vmm: VmmDriver["vmm"]): Paths {
  const data = realDirectory(directory);
  const limit = SOCKET_PATH_LIMIT - LONGEST_SOCKET;
  if (vmm === "firecracker" && Buffer.byteLength(data) > limit) {
    const message = `${data}: the path can have at most ${limit} bytes, because it contains sockets`;
    throw new AgentError("BAD_CONFIG", message);
  }
  const paths: Paths = {
    data,
    snapshots: join(data, "snapshots"),
    sandboxes: join(data, "sandboxes"),
    vms: join(data, "vms"),
    lock: join(data, "agent.lock"),
    sandbox: (id) => join(data, "sandboxes", `${id}.json`),
    vm: (id) => join(data, "vms", id),
  };
  try {
    for (const path of [paths.snapshots, paths.sandboxes, paths.vms]) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
    }
  } catch (cause) {
    throw new AgentError("BAD_CONFIG", `${data}: cannot be created or written`, { cause });
  }
  return paths;
}
