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
  /** Boot with CPU templates that wrong guests. */
  readonly allowInsecure: boolean;
  /** Verify memory and disks, too, each time that a snapshot is resumed. */
  readonly verifyOnResume: boolean;
  /** Between two readings of everything that snapshots hold; 0: never. */
  readonly scrubHours: number;
  readonly maxSandboxes: number;
  /** What all guests together may have. */
  readonly maxMemoryMib: number;
  readonly defaultTimeoutSeconds: number;
  /** How long a failed sandbox is kept to be looked at. */
  readonly keepFailedSeconds: number;
}

export interface Context {
  /** Finds running microVMs again, whichever release they run; what boots and loads: `releases`. */
  readonly driver: VmmDriver;
  readonly releases: Releases;
  readonly profile: NodeProfile;
  /** What shapes the guest CPU where a request does not say. */
  readonly cpu: CpuShape;
  /** As `cpu`, of a guest that is to boot now; throws NO_PLAN where its pool's plan is due first. */
  readonly shapeForBoot: () => BootShape;
  /** Why so, for those who look. */
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
  /** Confines VMMs and gives guests networks; undefined where nothing is isolated. */
  readonly cells: CellPool | undefined;
  /** Aborted once the agent is told to stop. */
  readonly stopping: AbortSignal;
  readonly explainCrash: ExplainCrash | undefined;
  /** Hears of what went wrong while nobody waited for an answer. */
  readonly report: (what: string, why: string) => void;
}
