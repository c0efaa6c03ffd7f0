/**
 * A virtual machine monitor as everything above it drives it: the same calls for Firecracker on
 * KVM and for QEMU's emulation. A microVM outlives the process that started it, so that a daemon
 * may restart: it is known by pid and start time, and talks over a socket in its directory.
 */
import type { CpuTemplate } from "@evenkeel/core";
import type { Cell } from "./isolation/cell.ts";
import type { VmExit, VmRecord } from "./vm-record.ts";

export { socketsOf, type VmExit, type VmRecord } from "./vm-record.ts";

/** What shapes the guest CPU at a cold boot; a loaded snapshot brings its own. */
export type CpuChoice =
  | { readonly kind: "none" }
  /** A template built into Firecracker, by name: T2CL, … */
  | { readonly kind: "built-in"; readonly name: string }
  | { readonly kind: "template"; readonly template: CpuTemplate };

export interface Drive {
  readonly id: string;
  readonly path: string;
  readonly readOnly: boolean;
  readonly root: boolean;
}

export interface NetworkInterface {
  readonly id: string;
  /** The tap device on the host. */
  readonly hostDevice: string;
  readonly mac?: string;
}

export interface Vsock {
  /** The guest's context id, 3 and up. */
  readonly cid: number;
  /** The Unix socket on the host. */
  readonly path: string;
}

export interface BootSpec {
  /** The microVM's own, existing: socket, console and whatever the VMM keeps. */
  readonly directory: string;
  readonly kernel: string;
  readonly initrd?: string;
  /** Those in `directory` are found again when a snapshot is loaded in another directory. */
  readonly drives: readonly Drive[];
  readonly networks?: readonly NetworkInterface[];
  readonly vsock?: Vsock;
  /** The kernel command line. */
  readonly bootArgs: string;
  readonly vcpus: number;
  readonly smt: boolean;
  readonly memoryMib: number;
  /** Needed for diff snapshots; costs the guest a little at each first write to a page. */
  readonly trackDirtyPages?: boolean;
  readonly cpu: CpuChoice;
  /** Confines the VMM; where left out it runs as this process does. */
  readonly cell?: Cell;
}

/** The files of one snapshot, absolute paths. */
export interface SnapshotFiles {
  readonly state: string;
  readonly memory: string;
}

export interface LoadSpec {
  readonly directory: string;
  readonly snapshot: SnapshotFiles;
  /** The snapshot's, as they stand in `directory`; only a confined VMM has to be given them. */
  readonly drives?: readonly Drive[];
  /** Who provides the guest's memory: the file, or a page-fault handler on a Unix socket. */
  readonly memory: { readonly kind: "file" } | { readonly kind: "uffd"; readonly socket: string };
  readonly trackDirtyPages?: boolean;
  readonly cell?: Cell;
}

export interface MicroVm {
  readonly record: VmRecord;
  /** The file that the guest's serial console is written to. */
  readonly console: string;
  /** Other files that the VMM writes to as it goes, and that a guest can make grow. */
  readonly logs?: readonly string[];
  /** Settles when the VMM process is gone, never rejects. */
  readonly exited: Promise<VmExit>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Of a paused microVM; `diff` holds only pages dirtied since the last one. */
  snapshot(files: SnapshotFiles, kind: "full" | "diff"): Promise<void>;
  /** Ends the process and removes its socket. May be called again. */
  kill(): Promise<void>;
}

export interface VmmDriver {
  readonly vmm: "firecracker" | "qemu";
  readonly version: string;
  /** The executable that it starts, where a cell may have it waiting. */
  readonly binary?: string;
  /** Cold boot: settles once the guest runs. */
  boot(spec: BootSpec): Promise<MicroVm>;
  /** Loads a snapshot and leaves it paused. */
  load(spec: LoadSpec): Promise<MicroVm>;
  /** Takes over a microVM that another process started; undefined where it is gone. */
  adopt(record: VmRecord): Promise<MicroVm | undefined>;
  /**
   * Ends VMMs that run in a directory and that nobody has a record of, since who started them was
   * killed before it could keep one. Returns their pids.
   */
  reap?(directory: string): Promise<readonly number[]>;
}
