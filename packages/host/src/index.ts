/** The public face of `@evenkeel/host`: KVM through ioctls, VMMs as child processes. */
export { HOST_ERRORS, HostError, type HostErrorCode } from "./errors.ts";
export { askFirecrackers, type Answers } from "./probe/firecrackers.ts";
export { pulseChanges, readPulse, type Pulse } from "./probe/pulse.ts";
export { readCpuIdentity, readHostFacts, type CpuIdentity } from "./probe/host-facts.ts";
export { machineNow } from "./probe/machine.ts";
export { readRawCpu } from "./probe/raw.ts";
export { probe, type ProbeOptions } from "./probe/probe.ts";
export { initramfs, programEntries, type ArchiveEntry } from "./guest/initramfs.ts";
export { findKernel, type KernelImage, type KernelSearch } from "./guest/kernel-image.ts";
export { KVM_PATH, withKvm } from "./kvm/device.ts";
export { bootLive, type LiveBoot } from "./verify/live.ts";
export { bootArmLive } from "./verify/live-arm.ts";
export type { CpuFinding } from "./qemu/cpu.ts";
export { GUEST_BOOT_ARGUMENT, GUEST_NETWORK } from "./network/addresses.ts";
export type { EgressPolicy } from "./network/egress.ts";
export type { Cell } from "./isolation/cell.ts";
export { checkNode, type CheckedIsolation, type IsolationOptions } from "./isolated-node.ts";
export { hasJailer } from "./isolation/jailer.ts";
export { connectPinned } from "./isolation/pinned.ts";
export type { CellPool } from "./isolation/pool.ts";
export { writesInto } from "./isolation/processes.ts";
export { killWithin } from "./process.ts";
export { QEMU_BINARY, qemuDriver, type QemuNode } from "./qemu/driver.ts";
export { executedCode, type ExecutedCode } from "./qemu/inspect.ts";
export * from "./cpu-template/index.ts";
export {
  installLauncher,
  launcherStatus,
  templateDigest,
  uninstallLauncher,
  type InstallOptions,
  type LauncherStatus,
} from "./launcher/install.ts";
export type { LauncherRecord } from "./launcher/script.ts";
export { keepHostProc, type HostProcNews, type HostProcOptions } from "./host-proc/keep.ts";
export { removeHostProc, withdrawHostProc } from "./host-proc/directory.ts";
export { checkE2b, type E2bFinding, type E2bOptions } from "./e2b/check.ts";
export { readTextFile } from "./files.ts";
export { openPlain, openPlainSync, readPlainSync, tailOf } from "./plain-file.ts";
export { createFirecrackerDriver, type FirecrackerOptions } from "./firecracker/driver.ts";
export {
  findFirecrackers,
  FIRECRACKER_DIRECTORY,
  requireFirecracker,
  requireKernel,
  type Environment,
  type Installed,
} from "./firecracker/find.ts";
export { accepts } from "./firecracker/process.ts";
export { inUse, pidsIn, worksIn } from "./life.ts";
export { lockDirectory } from "./lock.ts";
export { startTimeOf } from "./proc.ts";
export { socketsOf } from "./vmm.ts";
export type {
  BootSpec,
  CpuChoice,
  Drive,
  LoadSpec,
  MicroVm,
  NetworkInterface,
  SnapshotFiles,
  VmExit,
  VmmDriver,
  VmRecord,
  Vsock,
} from "./vmm.ts";
