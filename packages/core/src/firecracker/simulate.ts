/**
 * What a guest sees when Firecracker boots it on a node: template, then normalization.
 * Source: Firecracker's `create_vcpus_and_configure` path; see docs/firecracker.md.
 */
import { indexEntries } from "../cpuid.ts";
import { registersOf, type OfferedCpu } from "../profile/profile.ts";
import type { CpuType } from "../tables/field.ts";
import { applyTemplate, type Applied } from "../template/apply.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../template/template.ts";
import { normalize, writingOf } from "./normalization.ts";
import { ONE_VCPU, type BootTopology } from "./topology.ts";

/** A guest; where something is missing, this Firecracker refuses to start the microVM here. */
export type GuestView = Applied;

/** Views by template, CPU, release and topology, for as long as the first two are in use. */
const views = new WeakMap<CpuTemplate, WeakMap<OfferedCpu, Map<string, GuestView>>>();

function viewsOf(template: CpuTemplate, cpu: OfferedCpu): Map<string, GuestView> {
  const byCpu = views.get(template) ?? new WeakMap<OfferedCpu, Map<string, GuestView>>();
  views.set(template, byCpu);
  const known = byCpu.get(cpu) ?? new Map<string, GuestView>();
  byCpu.set(cpu, known);
  return known;
}

/** What a vCPU's guest sees on a node under a release line, e.g. `1.12`. Answers are kept. */
export function simulate(
  cpu: OfferedCpu,
  type: CpuType,
  line: string,
  template: CpuTemplate = EMPTY_TEMPLATE,
  boot: BootTopology = ONE_VCPU,
  /** Whether it is a build before the line's first release, which may clear less. */
  preRelease = false,
): GuestView {
  const known = viewsOf(template, cpu);
  // Releases that write the same show the same guest; what a build before one writes is its own.
  const build = preRelease ? `before ${line}` : writingOf(type, line);
  const key = `${type} ${build} ${boot.vcpus} ${boot.smt} ${boot.index}`;
  const view = known.get(key) ?? boots(cpu, type, line, template, boot, preRelease);
  known.set(key, view);
  return view;
}

function boots(
  cpu: OfferedCpu,
  type: CpuType,
  line: string,
  template: CpuTemplate,
  boot: BootTopology,
  preRelease: boolean,
): GuestView {
  const offered = indexEntries(cpu.cpuid);
  const applied = applyTemplate(offered, registersOf(cpu), template);
  return { ...applied, cpuid: normalize(applied.cpuid, offered, type, line, boot, preRelease) };
}
