/**
 * The same confinement for a VMM that has no jailer of its own, with util-linux: network, mount,
 * PID, IPC and UTS namespaces, a user of its own without capabilities, rlimits, and no new
 * privileges. No chroot: QEMU needs its libraries and firmware.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cell } from "./cell.ts";

/** On some hosts only root can open the tap's path. */
const OPEN_TUN = 'mount --bind dev-net-tun /dev/net/tun && exec "$@"';

/** In the jail: a device node for /dev/net/tun owned by the VMM's user, as the jailer makes it. */
export const TUN_NODE = "dev-net-tun";

export function tunCommand({ root }: Cell): string[] {
  return ["mknod", `${root}/${TUN_NODE}`, "c", "10", "200"];
}

/** A command that starts another command confined, in the caller's working directory. */
export function confined(cell: Cell, command: readonly string[]): string[] {
  const { uid, namespace, rlimits } = cell;
  return [
    ["nsenter", `--net=${namespace}`, "--"],
    [
      "unshare",
      "--mount",
      "--pid",
      "--ipc",
      "--uts",
      "--fork",
      "--kill-child",
      "--mount-proc",
      "--",
    ],
    ["sh", "-c", OPEN_TUN, "sh"],
    ["prlimit", `--fsize=${rlimits.fileSize}`, `--nofile=${rlimits.files}`, "--core=0", "--"],
    ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--no-new-privs"],
    ["--inh-caps=-all", "--bounding-set=-all", "--"],
    command,
  ].flat();
}

const POLL_MS = 5;

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
    return text.trim() === "" ? [] : text.trim().split(" ").map(Number);
  } catch {
    return [];
  }
}

/**
 * The VMM itself, which unshare(1) forked into the new PID namespace; undefined if it has already
 * exited.
 */
export async function confinedPid(pid: number, ended: AbortSignal): Promise<number | undefined> {
  while (!ended.aborted) {
    const [child] = childrenOf(pid);
    if (child !== undefined) return child;
    await sleep(POLL_MS);
  }
  return undefined;
}
