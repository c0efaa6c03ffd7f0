/** One microVM's confinement, as the drivers use it. */
import type { FirecrackerProcess } from "../firecracker/process.ts";
import type { Group } from "./cgroups.ts";
import type { Jail } from "./jail.ts";
import type { Rlimits } from "./limits.ts";

export interface Cell extends Jail {
  readonly slot: number;
  /** What the jailer calls it; letters, digits and hyphens. */
  readonly id: string;
  /** The network namespace's path. */
  readonly namespace: string;
  readonly group: Group;
  readonly rlimits: Rlimits;
  /** A VMM that waits in the slot already, with its files beside the jail. */
  readonly warm?: WarmVmm;
}

export interface WarmVmm {
  readonly binary: string;
  readonly running: FirecrackerProcess;
}
