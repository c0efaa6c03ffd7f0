/** A model's guest CPU on one vCPU: its features, and the leaves and MSRs that come with them. */
import type { OfferedCpu } from "../profile/profile.ts";
import { encodeSignature } from "../tables/models.ts";
import { CpuBuilder } from "./build.ts";
import { atLeast, type CatalogueKernel } from "./kernels.ts";
import type { Caches, CatalogueModel } from "./model.ts";

type Component = readonly [name: string, size: number, offset: number, flags: number];

/**
 * Size, standard offset and flags by component; vendors differ in the offsets of some.
 * Source: Intel SDM vol. 1, 13.4 and 13.5; AMD APM vol. 2, 11.5.
 */
const COMPONENTS: readonly Component[] = [
  ["XCR0_AVX", 256, 576, 0],
  ["XCR0_BNDREGS", 64, 960, 0],
  ["XCR0_BNDCSR", 64, 1024, 0],
  ["XCR0_OPMASK", 64, 0, 0],
  ["XCR0_ZMM_HI256", 512, 0, 0],
  ["XCR0_HI16_ZMM", 1024, 0, 0],
  ["XCR0_PKRU", 8, 0, 0],
  ["XSS_CET_U", 16, 0, 1],
  ["XSS_CET_S", 24, 0, 1],
  ["XCR0_XTILECFG", 64, 2752, 2],
  ["XCR0_XTILEDATA", 8192, 2816, 6],
];

/** MSRs that KVM lists on every host, on a vendor's, with a feature, or from a kernel on. */
const MSRS = [
  0x11, 0x12, 0x34, 0x3b, 0x48, 0x9e, 0x140, 0x174, 0x175, 0x176, 0x1fc, 0x4b56_4d00, 0x4b56_4d01,
  0x4b56_4d02, 0x4b56_4d03, 0x4b56_4d04, 0x4b56_4d06, 0x4b56_4d07, 0xc000_0081, 0xc000_0082,
  0xc000_0083, 0xc000_0084, 0xc000_0102, 0xc000_0103, 0xc001_0015,
];
const MSRS_OF_VENDOR = { intel: [0x3a], amd: [0xc001_0117, 0xc001_011f] } as const;
const MSRS_OF: Readonly<Record<string, readonly number[]>> = {
  MPX: [0xd90],
  XFD: [0x1c4, 0x1c5],
  CET_SS: [0x6a0, 0x6a2, 0x6a4, 0x6a5, 0x6a6, 0x6a7, 0x6a8, 0xda0],
  PERFMON_V2: [0xc000_0300, 0xc000_0301, 0xc000_0302, 0xc000_0303],
};

function addMsrs(builder: CpuBuilder, { vendor, features }: CatalogueModel, kernel: string): void {
  for (const addr of [...MSRS, ...MSRS_OF_VENDOR[vendor]]) builder.msr(addr);
  for (const [feature, addresses] of Object.entries(MSRS_OF)) {
    if (features.includes(feature)) for (const addr of addresses) builder.msr(addr);
  }
  if (vendor === "amd" && atLeast(kernel, "6.1")) builder.msr(0xc000_0104, 1n << 32n);
  builder
    .msr(0x8b, vendor === "intel" ? 1n << 32n : 0x0100_0065n)
    .msr(0x1a0, 1n)
    .msr(0x277, 0x0007_0406_0007_0406n)
    .msr(0x4b56_4d05, 1n);
}

function addXsave(builder: CpuBuilder, { features, stateOffsets }: CatalogueModel): void {
  let end = 576;
  for (const [name, size, fixed, flags] of COMPONENTS) {
    if (!features.includes(name)) continue;
    const offset = stateOffsets[name] ?? fixed;
    builder.set(`${name}_SIZE`, size).set(`${name}_OFFSET`, offset).set(`${name}_FLAGS`, flags);
    // Supervisor state has no place in the standard format.
    if (name.startsWith("XCR0_")) end = Math.max(end, offset + size);
  }
  builder.set("XSAVE_SIZE_MAX", end).set("XSAVE_SIZE_NOW", 576).set("XSAVES_SIZE_NOW", 576);
}

function addBrand(builder: CpuBuilder, brand: string): void {
  const word = (at: number) =>
    [0, 1, 2, 3].reduce((w, i) => w | ((brand.charCodeAt(at + i) || 0) << (8 * i)), 0) >>> 0;
  for (const [i, leaf] of [0x8000_0002, 0x8000_0003, 0x8000_0004].entries()) {
    const at = i * 16;
    const registers = { eax: word(at), ebx: word(at + 4), ecx: word(at + 8), edx: word(at + 12) };
    builder.entry(leaf, 0, registers);
  }
}

function addCaches(builder: CpuBuilder, leaf: number, { caches }: Caches): void {
  for (const [i, [level, type, ways, sets]] of [...caches, [0, 0, 0, 0] as const].entries()) {
    const eax = type === 0 ? 0 : 0x100 | (level << 5) | type;
    const ebx = type === 0 ? 0 : ((ways - 1) << 22) | 63;
    builder.entry(leaf, i, { eax, ebx: ebx >>> 0, ecx: Math.max(0, sets - 1) });
  }
}

function addLeaves(builder: CpuBuilder, model: CatalogueModel, caches: Caches): void {
  for (let leaf = 0; leaf <= model.maxBasicLeaf; leaf++) builder.entry(leaf);
  for (let i = 0; i <= model.maxLeaf7Subleaf; i++) builder.entry(0x7, i);
  for (let leaf = 0x8000_0000; leaf <= model.maxExtendedLeaf; leaf++) builder.entry(leaf);
  addCaches(builder, model.vendor === "intel" ? 0x4 : 0x8000_001d, caches);
  builder
    .entry(0xb, 0, { ebx: 1, ecx: 0x100 })
    .entry(0xb, 1, { eax: 5, ebx: 1, ecx: 0x201 })
    .entry(0x4000_0000, 0, { eax: 0x4000_0001, ebx: 0x4b4d_564b, ecx: 0x564b_4d56, edx: 0x4d });
  if (model.maxBasicLeaf >= 0x1f) {
    builder.entry(0x1f, 0, { ebx: 1, ecx: 0x100 }).entry(0x1f, 1, { eax: 5, ebx: 1, ecx: 0x201 });
  }
  addBrand(builder, caches.brand);
}

/** Leaves that describe one feature. Source: Intel SDM vol. 2A, CPUID; AMD PPR. */
function addFacilities(builder: CpuBuilder, features: readonly string[]): void {
  if (features.includes("AMX_TILE")) {
    builder
      .entry(0x1d, 0, { eax: 1 })
      .entry(0x1d, 1, { eax: 0x0400_2000, ebx: 0x0008_0040, ecx: 16 })
      .entry(0x1e, 0, { ebx: 0x4010 });
  }
  if (features.includes("AVX10")) builder.set("AVX10_VERSION", 1);
  if (features.includes("PERFMON_V2")) builder.set("PERFMON_CORE_COUNTERS", 6);
}

const SIGNATURES = {
  intel: { ebx: 0x756e_6547, ecx: 0x6c65_746e, edx: 0x4965_6e69 },
  amd: { ebx: 0x6874_7541, ecx: 0x444d_4163, edx: 0x6974_6e65 },
} as const;

function addIdentity(builder: CpuBuilder, { vendor, signature }: CatalogueModel): void {
  const eax = encodeSignature(signature);
  builder.entry(0x0, 0, SIGNATURES[vendor]).entry(0x1, 0, { eax, ebx: 0x0001_0800 });
  if (vendor === "intel") builder.entry(0x2, 0, { eax: 0x00fe_ff01 });
  else builder.entry(0x8000_0000, 0, SIGNATURES.amd).entry(0x8000_0001, 0, { eax });
}

/**
 * The guest's CPU for a model that catalogue/kernels.ts has fitted to `kernel`, as Firecracker
 * without a template shows it on one vCPU.
 */
export function guestCpuOf(
  model: CatalogueModel,
  kernel: CatalogueKernel,
  caches: Caches,
): OfferedCpu {
  const builder = new CpuBuilder();
  addLeaves(builder, model, caches);
  addIdentity(builder, model);
  builder
    .set("MAX_BASIC_LEAF", model.maxBasicLeaf)
    .set("MAX_LEAF7_SUBLEAF", model.maxLeaf7Subleaf)
    .set("MAX_EXTENDED_LEAF", model.maxExtendedLeaf)
    .set("MAXPHYADDR", model.physicalBits)
    .set("LINEAR_ADDRESS_BITS", model.linearBits);
  // Linux advertises the mappable part since 6.10; with 5-level paging that is all of it.
  if (atLeast(kernel, "6.10")) builder.set("GUEST_MAXPHYADDR", model.physicalBits);
  addMsrs(builder, model, kernel);
  builder.setAll(model.features);
  addFacilities(builder, model.features);
  addXsave(builder, model);
  return { arch: "x86_64", view: "guest", ...builder.build(), registers: [] };
}
