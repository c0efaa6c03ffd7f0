/** Limits of a running process. */
import { readFileSync } from "node:fs";
import { HostError } from "../errors.ts";
import { errnoText, loadLibc } from "../kvm/libc.ts";

/** Source: Linux include/uapi/asm-generic/resource.h and include/uapi/linux/capability.h. */
const RLIMIT_FSIZE = 1;
const CAP_SYS_RESOURCE = 24n;

/** Whether the limits of other users' processes can be set: in some containers, root cannot. */
export function maySetLimits(): boolean {
  const status = readFileSync("/proc/self/status", "latin1");
  const held = /^CapEff:\s+([0-9a-f]+)/m.exec(status)?.[1] ?? "0";
  return ((BigInt(`0x${held}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;
}

/** The largest file that a process may write, in bytes. Throws JAIL_FAILED, NO_FFI. */
export async function limitFileSize(pid: number, bytes: number): Promise<void> {
  const { result, errno } = (await loadLibc()).setLimit(pid, RLIMIT_FSIZE, bytes);
  if (result === 0) return;
  throw new HostError("JAIL_FAILED", `limits of process ${pid}: ${errnoText(errno)}`);
}
