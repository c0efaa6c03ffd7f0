/** What is known besides the report: everything is optional, and more gives a better answer. */
import type { CpuContract, NodeProfile, PlanFile } from "@evenkeel/core";
import type { Binary } from "./binary.ts";

export interface CrashContext {
  /** The contract of the snapshot that the guest was resumed from. */
  readonly contract?: CpuContract;
  /** The nodes of the pool. */
  readonly nodes?: readonly NodeProfile[];
  readonly plan?: PlanFile;
  /** The name of the node it died on, one of `nodes`. */
  readonly diedOn?: string;
  /** The programs and libraries that ran; matched by their names. */
  readonly binaries?: readonly Binary[];
}
