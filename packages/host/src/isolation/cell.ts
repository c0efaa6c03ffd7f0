/** One microVM's confinement, as the drivers use it. */
import type { VmExit, VmRecord } from "../vm-record.ts";
import type { Group } from "./cgroups.ts";
import type { Jail } from "./jail.ts";
import type { Rlimits } from "./limits.ts";

export interface Cell extends Jail {
  readonly slot: number;
  /** The jailer's id: letters, digits and hyphens. */
  readonly id: string;
  /** The network namespace's path. */
  readonly namespace: string;
  readonly group: Group;
  readonly rlimits: Rlimits;
  /** A VMM that is already waiting in the slot, with its files beside the jail. */
  readonly warm?: WarmVmm;
}

export interface WarmVmm {
  readonly binary: string;
  /** Its process, which has not received any call yet. */
  readonly running: { readonly record: VmRecord; readonly exited: Promise<VmExit> };
}
