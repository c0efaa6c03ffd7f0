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
  /** A built-in template is refused on a model outside its list. */
  checksModel: 1012,
  /** A custom template may stand in the configuration file itself. */
  templateInConfig: 1013,
  /** `track_dirty_pages` at load. */
  trackDirtyPages: 1013,
  /** Memory hotplug and pmem devices. */
  memoryHotplug: 1014,
} as const;
