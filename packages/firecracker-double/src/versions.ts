/** What differs between Firecracker releases, as far as the double shows it. */

/** Major and minor as one number that compares: 1.14.1 is 1014. */
export function lineNumber(version: string): number {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  return major * 1000 + minor;
}

export const LINE = {
  /** A later machine configuration keeps a custom template. */
  keepsTemplate: 1005,
  /** Fault messages name what failed first. */
  namedFaults: 1006,
  /** `--snapshot-version`, the snapshot format with a version of its own, huge pages. */
  snapshotVersion: 1007,
  /** What a boot configures per architecture has an error of its own around it. */
  archErrors: 1012,
  /** A built-in template is refused on a model outside its list. */
  checksModel: 1012,
  /** `network_overrides` at load. */
  networkOverrides: 1012,
  /** What KVM refuses at the start is told as its own kind of error. */
  kvmErrors: 1013,
  /** A custom template may stand in the configuration file itself. */
  templateInConfig: 1013,
  /** Diff snapshots without dirty page tracking, by mincore(2). */
  untrackedDiffs: 1013,
  /** `track_dirty_pages` at load. */
  trackDirtyPages: 1013,
  /** `--enable-pci`. */
  pci: 1013,
  /** Memory that is too short is found by its sum (the crate vm-memory 0.17). */
  sumsMemory: 1014,
  /** A state file's header is looked at before its checksum. */
  headerFirst: 1014,
  /** Memory hotplug and pmem devices. */
  memoryHotplug: 1014,
  /** The state is encoded by bitcode, which knows no header of its own, instead of by bincode. */
  bitcode: 1015,
  /** `DELETE` unplugs a device. */
  hotUnplug: 1016,
  /** `clock_realtime` at load; 1.15.0 has not got it yet. */
  clockRealtime: 1015,
  /** `vsock_override` at load. */
  vsockOverride: 1016,
  /** Devices may be added after the boot, with PCI. */
  hotPlug: 1016,
} as const;
