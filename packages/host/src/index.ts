/** The public face of `@evenkeel/host`: KVM through ioctls, VMMs as child processes. */
export { HOST_ERRORS, HostError, type HostErrorCode } from "./errors.ts";
export { initramfs, programEntries, type ArchiveEntry } from "./guest/initramfs.ts";
export { findKernel, type KernelImage, type KernelSearch } from "./guest/kernel-image.ts";
export type { CpuFinding } from "./qemu/cpu.ts";
export { killWithin } from "./process.ts";
export { QEMU_BINARY, qemuDriver, type QemuNode } from "./qemu/driver.ts";
export { executedCode, type ExecutedCode } from "./qemu/inspect.ts";
export type {
  BootSpec,
  CpuChoice,
  Drive,
  LoadSpec,
  MicroVm,
  SnapshotFiles,
  VmExit,
  VmmDriver,
  VmRecord,
} from "./vmm.ts";
