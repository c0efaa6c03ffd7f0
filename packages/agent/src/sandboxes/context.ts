/** What the operations of an agent work with. */
import type { NodeProfile } from "@evenkeel/core";
import type { CellPool, VmmDriver } from "@evenkeel/host";
import type { ExplainCrash } from "./console.ts";
import type { BootShape, ColdBoots } from "../cpu/current.ts";
import type { CpuShape } from "../cpu/shape.ts";
import type { Gate } from "../cpu/gate.ts";
import type { EventLog } from "../events/log.ts";
import type { Metrics } from "../metrics.ts";
import type { Releases } from "../releases.ts";
import type { Outputs } from "./output.ts";
import type { Registry } from "./registry.ts";
import type { Paths } from "../store/paths.ts";
import type { Room } from "../store/room.ts";
import type { SnapshotStore } from "../store/snapshots.ts";

export interface Settings {
  /** Holds `<name>/[<arch>/]vmlinux.bin`, as E2B lays kernels out. */
  readonly kernelsDir: string;
  /** Holds disks' and initrds' files. */
  readonly imagesDir: string;
  /** Resume where the verdict is `unknown`. */
  readonly allowUnknown: boolean;
  /** Boot with CPU templates that leave guests unprotected. */
  readonly allowInsecure: boolean;
  /** Verify memory and disks, too, each time that a snapshot is resumed. */
  readonly verifyOnResume: boolean;
  /** Time between two scrubs of all snapshots; 0: never. */
  readonly scrubHours: number;
  readonly maxSandboxes: number;
  /** The limits for all guests together. */
  readonly maxMemoryMib: number;
  readonly defaultTimeoutSeconds: number;
  /** How long a failed sandbox is kept for inspection. */
  readonly keepFailedSeconds: number;
}

export interface Context {
  /**
   * Finds running microVMs again, whichever release they run; `releases` does the booting and
   * loading.
   */
  readonly driver: VmmDriver;
  readonly releases: Releases;
  readonly profile: NodeProfile;
  /** What shapes the guest CPU by default. */
  readonly cpu: CpuShape;
  /**
   * Like `cpu`, for a guest that boots now; throws NO_PLAN if the node must first apply its pool's
   * plan.
   */
  readonly shapeForBoot: () => BootShape;
  /** Why, for display. */
  readonly coldBoots: () => ColdBoots;
  readonly settings: Settings;
  readonly paths: Paths;
  readonly snapshots: SnapshotStore;
  readonly room: Room;
  readonly sandboxes: Registry;
  /** Memory (MiB) of machines that are booted for templates, by id. */
  readonly builds: Map<string, number>;
  readonly events: EventLog;
  readonly metrics: Metrics;
  readonly outputs: Outputs;
  readonly gate: Gate;
  /** Isolates VMMs and gives guests networks; undefined without isolation. */
  readonly cells: CellPool | undefined;
  /** Aborted once the agent is told to stop. */
  readonly stopping: AbortSignal;
  readonly explainCrash: ExplainCrash | undefined;
  /** Receives errors for which no caller is waiting. */
  readonly report: (what: string, why: string) => void;
}
