/** The public face of `@evenkeel/host`: KVM through ioctls, VMMs as child processes. */
export { HOST_ERRORS, HostError, type HostErrorCode } from "./errors.ts";
export { findFirecrackers, FIRECRACKER_DIRECTORY, type Installed } from "./probe/firecrackers.ts";
export { pulseChanges, readPulse, type Pulse } from "./probe/pulse.ts";
export { readHostFacts } from "./probe/host-facts.ts";
export { readRawCpu } from "./probe/raw.ts";
export { probe, type ProbeOptions } from "./probe/probe.ts";
export { initramfs, programEntries, type ArchiveEntry } from "./guest/initramfs.ts";
export { findKernel, type KernelImage, type KernelSearch } from "./guest/kernel-image.ts";
export { KVM_PATH, withKvm } from "./kvm/device.ts";
export { bootLive, type LiveBoot } from "./verify/live.ts";
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
