/** The public face of `@evenkeel/host`: KVM through ioctls, VMMs as child processes. */
export { HOST_ERRORS, HostError, type HostErrorCode } from "./errors.ts";
export { createFirecrackerDriver, type FirecrackerOptions } from "./firecracker/driver.ts";
export {
  findFirecrackers,
  requireFirecracker,
  requireKernel,
  type Environment,
  type Installed,
} from "./firecracker/find.ts";
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
