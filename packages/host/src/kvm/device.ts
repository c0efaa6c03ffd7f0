/** /dev/kvm, a VM and its vCPUs, each closed on every path; a process that dies closes them too. */
import { closeSync, openSync } from "node:fs";
import { HostError } from "../errors.ts";
import { E2BIG, EBUSY, EINTR, errnoText, loadLibc, type Libc } from "./libc.ts";
import {
  KVM_CHECK_EXTENSION,
  KVM_CREATE_VCPU,
  KVM_CREATE_VM,
  KVM_GET_API_VERSION,
  type Request,
} from "./requests.ts";

export const KVM_PATH = "/dev/kvm";

/** The stable API; there never was another. */
const API_VERSION = 12;

/** An open file descriptor of KVM's: the device, a VM or a vCPU. */
export interface KvmHandle {
  readonly fd: number;
  readonly libc: Libc;
}

/** Throws KVM_FAILED with the request's name and the error in words. */
export function call(
  { fd, libc }: KvmHandle,
  request: Request,
  argument?: Uint8Array | number,
): number {
  const { result, errno } = libc.ioctl(fd, request, argument);
  if (result >= 0) return result;
  const hint = errno === EBUSY ? ": another hypervisor is using the CPU's virtualization" : "";
  throw new HostError("KVM_FAILED", `${request.name}: ${errnoText(errno)}${hint}`);
}

const MOST_ENTRIES = 1 << 16;

/** Asks for a list of unknown length, with more room as long as KVM says E2BIG. */
export function callForList(
  handle: KvmHandle,
  request: Request,
  count: number,
  buffer: (count: number) => Uint8Array,
): Uint8Array {
  for (let room = count; ; room *= 2) {
    const bytes = buffer(room);
    const { result, errno } = handle.libc.ioctl(handle.fd, request, bytes);
    if (result >= 0) return bytes;
    if (errno !== E2BIG || room >= MOST_ENTRIES) {
      throw new HostError("KVM_FAILED", `${request.name}: ${errnoText(errno)}`);
    }
  }
}

function openError(path: string, error: unknown): HostError {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const options = { cause: error };
  if (code === "EACCES" || code === "EPERM") {
    return new HostError("KVM_FORBIDDEN", `${path}: no permission to open it`, options);
  }
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "there is no such device",
    ENODEV: "no KVM module provides it",
    ENXIO: "no KVM module provides it",
  };
  const where = process.platform === "linux" ? "" : ` (this is ${process.platform}, not Linux)`;
  return new HostError("NO_KVM", `${path}: ${reasons[code] ?? message}${where}`, options);
}

function open(path: string): number {
  try {
    return openSync(path, "r+");
  } catch (error) {
    throw openError(path, error);
  }
}

/** Opens KVM for the duration of `use`. Throws NO_KVM, KVM_FORBIDDEN, KVM_FAILED or NO_FFI. */
export async function withKvm<T>(path: string, use: (kvm: KvmHandle) => T): Promise<T> {
  const fd = open(path);
  try {
    const kvm = { fd, libc: await loadLibc() };
    const { result, errno } = kvm.libc.ioctl(fd, KVM_GET_API_VERSION);
    if (result < 0) throw new HostError("NO_KVM", `${path} is not KVM: ${errnoText(errno)}`);
    if (result !== API_VERSION) {
      throw new HostError("KVM_FAILED", `KVM speaks API ${result}, not ${API_VERSION}`);
    }
    return use(kvm);
  } finally {
    closeSync(fd);
  }
}

const ATTEMPTS = 5;

/** Any signal interrupts creating a VM; Firecracker also tries five times. */
function createVm(kvm: KvmHandle): number {
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    const { result, errno } = kvm.libc.ioctl(kvm.fd, KVM_CREATE_VM);
    if (result >= 0) return result;
    if (errno !== EINTR) break;
  }
  return call(kvm, KVM_CREATE_VM);
}

/** A VM for the duration of `use`. */
export function withVm<T>(kvm: KvmHandle, use: (vm: KvmHandle) => T): T {
  const fd = createVm(kvm);
  try {
    return use({ fd, libc: kvm.libc });
  } finally {
    closeSync(fd);
  }
}

/** A vCPU for the duration of `use`. */
export function withVcpu<T>(vm: KvmHandle, index: number, use: (vcpu: KvmHandle) => T): T {
  const fd = call(vm, KVM_CREATE_VCPU, index);
  try {
    return use({ fd, libc: vm.libc });
  } finally {
    closeSync(fd);
  }
}

export const apiVersion = (kvm: KvmHandle): number => call(kvm, KVM_GET_API_VERSION);

/** Capabilities are numbered without gaps; the highest known of Linux 6.18 is below 250. */
const LAST_CAPABILITY = 300;

/** Every capability that KVM has, by number, with KVM's answer. */
export function capabilities(kvm: KvmHandle): Map<number, number> {
  const answers = new Map<number, number>();
  for (let number = 0; number <= LAST_CAPABILITY; number++) {
    const { result } = kvm.libc.ioctl(kvm.fd, KVM_CHECK_EXTENSION, number);
    if (result > 0) answers.set(number, result);
  }
  return answers;
}
