/** What is known of a VMM's process: enough to find it again, and how it ended. */

/** Enough to find a running microVM again after a restart. */
export interface VmRecord {
  readonly directory: string;
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, clock ticks since boot: a pid may be used again. */
  readonly startTime: string;
  /** The jail of one that is confined: its sockets are there, and its own to change. */
  readonly jail?:
    | { readonly root: string; readonly uid: number; readonly slot: number }
    | undefined;
}

/** How a VMM process ended; both undefined where an adopted one vanished. */
export interface VmExit {
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

/** Where a VMM makes its sockets. */
export function socketsOf({ jail, directory }: VmRecord): string {
  return jail?.root ?? directory;
}
