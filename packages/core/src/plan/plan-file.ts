/** A plan as it is read back from its file. */
import type { CpuType } from "../tables/field.ts";
import type { Accepted } from "./accepted.ts";
import type { GuestCpu } from "./guest-cpu.ts";

export interface PlanFileClass {
  readonly id: string;
  readonly nodes: readonly string[];
  readonly template: string;
  /** Names of what the class offers and the pool does not have; undefined where it does not say. */
  readonly givesUp: readonly string[] | undefined;
}

export interface PlanFile {
  readonly type: CpuType;
  readonly firecracker: readonly string[];
  readonly classes: readonly PlanFileClass[];
  /** What the operator accepted with `--accept`; undefined: nothing. */
  readonly accepted: Accepted | undefined;
  readonly guest: GuestCpu;
}
