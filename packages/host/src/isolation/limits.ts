/**
 * What one microVM may use of its host, as cgroup files and rlimits. Rows name each limit under
 * cgroup v2 and v1. Pure. Source: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
 */

export interface MachineSize {
  readonly vcpus: number;
  readonly memoryMib: number;
}

export interface IoLimit {
  /** `major:minor` of the whole disk that the data directory is on. */
  readonly device: string;
  /** MiB per second, for reading and for writing. */
  readonly mib: number;
}

export interface Limits extends MachineSize {
  /** What the VMM needs in addition to the guest's memory. */
  readonly overheadMib: number;
  /** Threads and processes. */
  readonly tasks: number;
  readonly io: IoLimit | undefined;
}

export type Controller = "cpu" | "memory" | "pids" | "io";

export const CONTROLLERS: readonly Controller[] = ["cpu", "memory", "pids", "io"];

/** What version 1 calls them. */
export const V1_NAMES: Readonly<Record<Controller, string>> = {
  cpu: "cpu",
  memory: "memory",
  pids: "pids",
  io: "blkio",
};

interface LimitFile {
  readonly file: string;
  readonly value: string;
  /** Not every kernel has it; the limit works without it. */
  readonly optional?: boolean;
}

const MIB = 1024 * 1024;
const PERIOD_US = 100_000;
/** For the VMM's own threads, which do the guest's I/O. */
const VMM_QUOTA_US = 50_000;

function memoryOf({ memoryMib, overheadMib }: Limits): string {
  return String((memoryMib + overheadMib) * MIB);
}

type Files = (limits: Limits) => LimitFile[];

const quotaOf = ({ vcpus }: Limits) => vcpus * PERIOD_US + VMM_QUOTA_US;

function ioFiles({ io }: Limits, version: 1 | 2): LimitFile[] {
  if (io === undefined) return [];
  const bytes = io.mib * MIB;
  if (version === 2) {
    return [{ file: "io.max", value: `${io.device} rbps=${bytes} wbps=${bytes}` }];
  }
  const value = `${io.device} ${bytes}`;
  return ["read", "write"].map((way) => ({ file: `blkio.throttle.${way}_bps_device`, value }));
}

const FILES_BY_CONTROLLER: Readonly<Record<Controller, Readonly<Record<1 | 2, Files>>>> = {
  cpu: {
    2: (limits) => [{ file: "cpu.max", value: `${quotaOf(limits)} ${PERIOD_US}` }],
    1: (limits) => [
      { file: "cpu.cfs_period_us", value: String(PERIOD_US) },
      { file: "cpu.cfs_quota_us", value: String(quotaOf(limits)) },
    ],
  },
  memory: {
    2: (limits) => [
      { file: "memory.max", value: memoryOf(limits) },
      // Guest memory is never swapped; out of memory, the whole VMM is killed.
      { file: "memory.swap.max", value: "0", optional: true },
      { file: "memory.oom.group", value: "1", optional: true },
    ],
    1: (limits) => [
      { file: "memory.limit_in_bytes", value: memoryOf(limits) },
      { file: "memory.swappiness", value: "0", optional: true },
    ],
  },
  pids: {
    2: ({ tasks }) => [{ file: "pids.max", value: String(tasks) }],
    1: ({ tasks }) => [{ file: "pids.max", value: String(tasks) }],
  },
  io: { 2: (limits) => ioFiles(limits, 2), 1: (limits) => ioFiles(limits, 1) },
};

/** One controller's files and what to write to them, in order. */
export function limitFiles(controller: Controller, version: 1 | 2, limits: Limits): LimitFile[] {
  return FILES_BY_CONTROLLER[controller][version](limits);
}

export interface Rlimits {
  /** The largest file it may write, in bytes: its disks, its memory in a snapshot. */
  readonly fileSize: number;
  /** One more than its highest file descriptor. */
  readonly files: number;
}

const FILES = 2048;

/** `largest`: bytes of its largest disk. */
export function rlimitsOf({ memoryMib }: MachineSize, largest: number): Rlimits {
  // Somewhat more than the memory itself: QEMU's stream also contains device state.
  return { fileSize: Math.max(largest, (memoryMib + 64) * MIB), files: FILES };
}
