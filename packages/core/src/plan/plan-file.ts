/** A plan as it is read back from its file. */
import type { Vendor } from "../tables/field.ts";
import type { Accepted } from "./accepted.ts";
import type { ArmGuest } from "./arm/guest.ts";
import type { GuestCpu } from "./guest.ts";

export interface PlanFileClass {
  readonly id: string;
  readonly nodes: readonly string[];
  readonly template: string;
  /** Names of what the class offers and the pool does not have; undefined where it does not say. */
  readonly givesUp: readonly string[] | undefined;
}

export interface PlanFileHeader {
  readonly firecracker: readonly string[];
  readonly classes: readonly PlanFileClass[];
  /** What the operator accepted with `--accept`; undefined: nothing. */
  readonly accepted: Accepted | undefined;
}

export interface X86PlanFile extends PlanFileHeader {
  readonly arch: "x86_64";
  readonly vendor: Vendor;
  readonly guest: GuestCpu;
}

export interface ArmPlanFile extends PlanFileHeader {
  readonly arch: "aarch64";
  readonly guest: ArmGuest;
}

export type PlanFile = X86PlanFile | ArmPlanFile;
