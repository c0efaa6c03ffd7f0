/** The public face of `@evenkeel/host`: KVM through ioctls, VMMs as child processes. */
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
