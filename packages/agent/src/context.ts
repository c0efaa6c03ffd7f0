/** What the operations of an agent work with. */
import type { NodeProfile } from "@evenkeel/core";
import type { VmmDriver } from "@evenkeel/host";
import type { ExplainCrash } from "./sandboxes/console.ts";
import type { CpuShape } from "./cpu/shape.ts";
import type { Gate } from "./cpu/gate.ts";
import type { EventLog } from "./events/log.ts";
import type { Metrics } from "./metrics.ts";
import type { Releases } from "./releases.ts";
import type { Registry } from "./sandboxes/registry.ts";
import type { Paths } from "./store/paths.ts";
import type { SnapshotStore } from "./store/snapshots.ts";

export interface Settings {
  /** Holds `<name>/[<arch>/]vmlinux.bin`, as E2B lays kernels out. */
  readonly kernelsDir: string;
  /** Holds disks' and initrds' files. */
  readonly imagesDir: string;
  /** Resume where the verdict is `unknown`. */
  readonly allowUnknown: boolean;
  /** Boot with CPU templates that wrong guests. */
  readonly allowInsecure: boolean;
  readonly maxSandboxes: number;
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
  readonly settings: Settings;
  readonly paths: Paths;
  readonly snapshots: SnapshotStore;
  readonly sandboxes: Registry;
  readonly events: EventLog;
  readonly metrics: Metrics;
  readonly gate: Gate;
  readonly explainCrash: ExplainCrash | undefined;
  /** Hears of what went wrong while nobody waited for an answer. */
  readonly report: (what: string, why: string) => void;
}
