/** A host's CPU as its own CPUID answers, from a dump that another tool made. */
import type { CpuidMap } from "../cpuid.ts";
import { fail } from "../errors.ts";
import type { HostFacts } from "../profile/profile.ts";

export interface RawCpu {
  /** What the dump calls it, e.g. `CPU 3`. */
  readonly label: string;
  readonly line: number;
  /** Flags are 0: KVM decides them. */
  readonly entries: CpuidMap;
  readonly msrs: ReadonlyMap<number, bigint>;
}

export interface RawDump {
  /** What made it, e.g. `cpuid -r`. */
  readonly format: string;
  readonly cpus: readonly [RawCpu, ...RawCpu[]];
  readonly host: HostFacts;
  /** What a reader of the profile should know. */
  readonly notes: readonly string[];
  /** What the dump does not say and nothing can be built without. */
  readonly incomplete: readonly string[];
}

export function at(line: number): string {
  return `line ${line}`;
}

export function badDump(line: number, message: string): never {
  return fail("BAD_DUMP", message, at(line));
}
