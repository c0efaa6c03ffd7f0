/**
 * What a guest sees when Firecracker boots it on a node: template, then normalization.
 * Source: Firecracker's `create_vcpus_and_configure` path; see docs/firecracker.md.
 */
import { indexEntries, type CpuidMap } from "../cpuid.ts";
import type { OfferedCpu } from "../profile/profile.ts";
import type { Vendor } from "../tables/field.ts";
import { applyTemplate, type MissingEntry } from "../template/apply.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../template/template.ts";
import { normalize } from "./normalization.ts";
import { ONE_VCPU, type BootTopology } from "./topology.ts";

export interface GuestView {
  readonly cpuid: CpuidMap;
  readonly msrs: ReadonlyMap<number, bigint>;
  /** Not empty: this Firecracker refuses to start the microVM with this template here. */
  readonly missing: readonly MissingEntry[];
}

/** What a vCPU's guest sees on a node under a release line, e.g. `1.12`. */
export function simulate(
  cpu: OfferedCpu,
  vendor: Vendor,
  line: string,
  template: CpuTemplate = EMPTY_TEMPLATE,
  boot: BootTopology = ONE_VCPU,
  /** Whether it is a build before the line's first release, which may clear less. */
  preRelease = false,
): GuestView {
  const offered = indexEntries(cpu.cpuid);
  const msrs = new Map(cpu.msrs.map(({ addr, value }) => [addr, value]));
  const applied = applyTemplate(offered, msrs, template);
  return { ...applied, cpuid: normalize(applied.cpuid, offered, vendor, line, boot, preRelease) };
}
