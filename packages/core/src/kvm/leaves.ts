/**
 * CPUID entries that KVM makes for a guest of a host's own, without the feature bits.
 * Source: `__do_cpuid_func` in Linux arch/x86/kvm/cpuid.c, 5.10.13 to 6.16.1.
 */
import { extract32, mask32 } from "../bits.ts";
import {
  eachRegister,
  entryKey,
  type CpuidEntry,
  type CpuidMap,
  type Registers,
} from "../cpuid.ts";
import { STATE_COMPONENTS } from "../tables/cpuid/xsave.ts";
import type { Vendor } from "../tables/field.ts";
import { isWithin, kernelDoes, limitsOf } from "../tables/kernels.ts";

export interface Source {
  readonly vendor: Vendor;
  /** The host's own entries; an absent one reads as zero. */
  readonly host: CpuidMap;
  readonly kernel: string;
  readonly shows: (feature: string) => boolean;
}

const ALL = 0xffff_ffff;
const WHOLE: Registers = eachRegister(() => ALL);
const NONE: Registers = eachRegister(() => 0);

interface PassedLeaf extends Partial<Registers> {
  readonly leaf: number;
  readonly with?: string;
  readonly until?: string;
}

/** Bits of a leaf, other than features, that reach the guest as the CPU has them. */
const PASSED_LEAVES: readonly PassedLeaf[] = [
  { leaf: 0x0, ebx: ALL, ecx: ALL, edx: ALL },
  { leaf: 0x1, eax: ALL, ebx: ALL },
  { leaf: 0x2, ...WHOLE },
  { leaf: 0x4, ...WHOLE },
  { leaf: 0x1d, ...WHOLE, with: "AMX_TILE" },
  { leaf: 0x1e, ...WHOLE, with: "AMX_TILE" },
  { leaf: 0x8000_0000, ebx: ALL, ecx: ALL, edx: ALL },
  { leaf: 0x8000_0001, eax: ALL, ebx: 0xf000_ffff, ecx: 1 << 1 },
  { leaf: 0x8000_0005, ...WHOLE },
  { leaf: 0x8000_0006, ...WHOLE, edx: 0xfffc_ffff },
  { leaf: 0x8000_0008, ecx: 0x0000_f0ff },
  { leaf: 0x8000_0019, eax: ALL, ebx: ALL },
  { leaf: 0x8000_001d, ...WHOLE },
  { leaf: 0x8000_001f, ...WHOLE, until: "6.1", with: "SEV" },
];

const PASSED_BY_LEAF = new Map(PASSED_LEAVES.map((row) => [row.leaf, row]));

function passedBits(source: Source, leaf: number): Partial<Registers> {
  const row = PASSED_BY_LEAF.get(leaf);
  if (row === undefined) return NONE;
  if (row.with !== undefined && !source.shows(row.with)) return NONE;
  return isWithin(row, source.kernel) ? row : NONE;
}

function hostRegisters({ host }: Source, leaf: number, subleaf: number): Registers {
  return host.get(entryKey(leaf, subleaf)) ?? NONE;
}

export function passedRegisters(source: Source, leaf: number, subleaf: number): Registers {
  const host = hostRegisters(source, leaf, subleaf);
  const bits = passedBits(source, leaf);
  return eachRegister((register) => (host[register] & (bits[register] ?? 0)) >>> 0);
}

export function guestLevels({ host, kernel, shows }: Source) {
  const limits = limitsOf(kernel);
  const level = (leaf: number) => host.get(entryKey(leaf, 0))?.eax ?? 0;
  const own = level(0x8000_0000);
  // KVM adds leaf 0x80000021 to say what it knows of LFENCE and of null selectors.
  const added = own >= 0x8000_001d && shows("LFENCE_SERIALIZING") ? 0x8000_0021 : 0;
  return {
    basic: Math.min(level(0x0), limits.basic),
    leaf7: Math.min(level(0x7), limits.leaf7),
    extended: Math.max(Math.min(own, limits.extended), added),
  };
}

/** Physical and linear address bits; Linux says which part can be mapped since 6.10. */
export function addressSizes(source: Source): number {
  const { eax } = hostRegisters(source, 0x8000_0008, 0);
  const physical = extract32(eax, 7, 0);
  const linear = Math.max(extract32(eax, 15, 8), 48);
  const mappable = source.shows("LA57") ? physical : Math.min(physical, 48);
  return (
    physical |
    (linear << 8) |
    (kernelDoes(source.kernel, "shows-mappable-width") ? mappable << 16 : 0)
  );
}

const XFD_FLAG = 1 << 2;

/** Size of the legacy region and the header, which is what XCR0 has at boot. */
const XSAVE_AT_BOOT = 576;

/** The entries of leaf 0xD from subleaf 2 on, and the size of the area. */
export function xsave(source: Source): { size: number; entries: Omit<CpuidEntry, "flags">[] } {
  const entries: Omit<CpuidEntry, "flags">[] = [];
  let size = XSAVE_AT_BOOT;
  for (const { index, name, in: where } of STATE_COMPONENTS) {
    if (!source.shows(name)) continue;
    const { eax, ebx, ecx } = hostRegisters(source, 0xd, index);
    const flags = source.shows("XFD") ? ecx : ecx & ~XFD_FLAG;
    entries.push({ leaf: 0xd, subleaf: index, eax, ebx, ecx: flags >>> 0, edx: 0 });
    // Supervisor state has no place in the standard format.
    if (where === "xcr0") size = Math.max(size, ebx + eax);
  }
  return { size: Math.min(size, ALL), entries };
}

const CACHE_TYPE = mask32(4, 0);
const MOST_CACHES = 32;

/** Subleaves of a cache leaf: up to and with the first that describes no cache. */
export function cacheSubleaves(source: Source, leaf: number): number {
  for (let subleaf = 0; subleaf < MOST_CACHES; subleaf++) {
    if ((hostRegisters(source, leaf, subleaf).eax & CACHE_TYPE) === 0) return subleaf + 1;
  }
  return MOST_CACHES;
}
