/** The guest that KVM and then Firecracker without a template make of a host's CPU. */
import { CpuBuilder } from "../tables/cpu-builder.ts";
import { insert32, readField } from "../bits.ts";
import {
  entryKey,
  indexEntries,
  REGISTERS,
  type CpuidEntry,
  type CpuidMap,
  type MsrValue,
} from "../cpuid.ts";
import { normalize } from "../firecracker/normalization.ts";
import { ALL_LINES } from "../tables/releases.ts";
import type { OfferedCpu } from "../profile/profile.ts";
import type { Vendor } from "../tables/field.ts";
import { wordsOf } from "../profile/state.ts";
import { fieldsAt } from "../tables/registers.ts";
import { listedSubleaves } from "../tables/leaves.ts";
import { cpuidFields, msrFields } from "../tables/lookup.ts";
import { decodeSignature } from "../tables/models.ts";
import { ARCH_CAPABILITIES } from "../tables/msr/capabilities.ts";
import {
  addressSizes,
  cacheSubleaves,
  guestLevels,
  passedRegisters,
  xsave,
  type Source,
} from "./leaves.ts";
import { brandOf, guestBrand } from "../firecracker/brand.ts";
import { guestMsrs } from "./msrs.ts";
import { shownFeatures, type HostCpu } from "./shown.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";

export interface HostRegisters {
  readonly vendor: Vendor;
  readonly cpuid: CpuidMap;
  readonly archCapabilities: bigint | undefined;
}

function featuresOf({ vendor, cpuid, archCapabilities }: HostRegisters): Set<string> {
  const registers = new Map([[ARCH_CAPABILITIES, archCapabilities ?? 0n]]);
  const set = wordsOf({ cpuid, registers }).flatMap(({ place, value }) =>
    fieldsAt(vendor, place).filter((f) => f.hi === f.lo && readField(value, f) === 1n),
  );
  return new Set(set.map(({ name }) => name));
}

function withFeatures(source: Source, entry: Omit<CpuidEntry, "flags">): Omit<CpuidEntry, "flags"> {
  const changed = { ...entry };
  for (const register of REGISTERS) {
    const { leaf, subleaf } = entry;
    for (const { name, kind, hi, lo } of cpuidFields(source.vendor, leaf, subleaf, register)) {
      if (!isPromise(kind) && !isAnnouncement(kind)) continue;
      changed[register] = insert32(changed[register], hi, lo, source.shows(name) ? 1 : 0);
    }
  }
  return changed;
}

function subleavesOf(source: Source, leaf: number): number {
  const listed = listedSubleaves(leaf, source.shows);
  if (listed === "caches") return cacheSubleaves(source, leaf);
  return listed === "limited" ? guestLevels(source).leaf7 + 1 : listed;
}

function addRange(builder: CpuBuilder, source: Source, from: number, to: number): void {
  for (let leaf = from; leaf <= to; leaf++) {
    const count = subleavesOf(source, leaf);
    for (let subleaf = 0; subleaf < count; subleaf++) {
      const passed = passedRegisters(source, leaf, subleaf);
      const { eax, ebx, ecx, edx } = withFeatures(source, { leaf, subleaf, ...passed });
      builder.entry(leaf, subleaf, { eax, ebx, ecx, edx });
    }
  }
}

function addNumbers(builder: CpuBuilder, source: Source, host: HostRegisters): void {
  const { basic, leaf7, extended } = guestLevels(source);
  builder
    .set("MAX_BASIC_LEAF", basic)
    .set("MAX_LEAF7_SUBLEAF", leaf7)
    .set("MAX_EXTENDED_LEAF", extended);
  if (extended >= 0x8000_0008) builder.entry(0x8000_0008, 0, { eax: addressSizes(source) });
  if (basic >= 0xd) {
    const { size, entries } = xsave(source);
    for (const { leaf, subleaf, ...registers } of entries) builder.entry(leaf, subleaf, registers);
    builder.set("XSAVE_SIZE_MAX", size).set("XSAVE_SIZE_NOW", 576).set("XSAVES_SIZE_NOW", 576);
  }
  if (source.shows("AVX10") && basic >= 0x24) builder.set("AVX10_VERSION", 1);
  if (source.shows("PERFMON_V2") && extended >= 0x8000_0022) {
    const { ebx = 0 } = host.cpuid.get(entryKey(0x8000_0022, 0)) ?? {};
    builder.set("PERFMON_CORE_COUNTERS", ebx & 0xf);
  }
}

const KVM_SIGNATURE = { eax: 0x4000_0001, ebx: 0x4b4d_564b, ecx: 0x564b_4d56, edx: 0x4d };

function addFeatureMsrs(msrs: Map<number, bigint>, { vendor, shows }: Source): void {
  for (const addr of vendor === "intel" ? [0xce, ARCH_CAPABILITIES] : [0xce]) {
    const value = msrFields(vendor, addr).reduce(
      (word, { name, lo }) => (shows(name) ? word | (1n << BigInt(lo)) : word),
      0n,
    );
    msrs.set(addr, value);
  }
}

function sortedMsrs(msrs: ReadonlyMap<number, bigint>): MsrValue[] {
  return [...msrs].map(([addr, value]) => ({ addr, value })).toSorted((a, b) => a.addr - b.addr);
}

/** What a guest on one vCPU sees of this host under a kernel release such as `6.1`. */
export function guestOf(host: HostRegisters, kernel: string): OfferedCpu {
  const { vendor, cpuid } = host;
  const signature = decodeSignature(cpuid.get(entryKey(1, 0))?.eax ?? 0);
  const cpu: HostCpu = { vendor, signature, features: featuresOf(host) };
  const shown = shownFeatures(cpu, kernel);
  const source: Source = { vendor, host: cpuid, kernel, shows: (name) => shown.has(name) };
  const { basic, extended } = guestLevels(source);
  const builder = new CpuBuilder();
  addRange(builder, source, 0x0, basic);
  builder.entry(0x4000_0000, 0, KVM_SIGNATURE);
  addRange(builder, source, 0x4000_0001, 0x4000_0001);
  addRange(builder, source, 0x8000_0000, extended);
  addNumbers(builder, source, host);
  if (extended >= 0x8000_0004) builder.brand(guestBrand(vendor, brandOf(cpuid)));
  const entries = indexEntries(builder.build().cpuid);
  const msrs = guestMsrs(vendor, source.shows, kernel);
  addFeatureMsrs(msrs, source);
  const newest = ALL_LINES.at(-1) ?? "";
  return {
    arch: "x86_64",
    view: "guest",
    cpuid: [...normalize(entries, entries, vendor, newest).values()],
    msrs: sortedMsrs(msrs),
    registers: [],
  };
}
