/** A model's guest CPU on one vCPU: its features, and the leaves and MSRs that come with them. */
import type { OfferedCpu } from "../profile/profile.ts";
import { encodeSignature, type CatalogueModel } from "../tables/models.ts";
import { CpuBuilder, SIGNATURES } from "../tables/cpu-builder.ts";
import { guestMsrs } from "../kvm/msrs.ts";
import { kernelDoes, limitsOf } from "../tables/kernels.ts";
import { addXsave } from "../tables/xsave-layout.ts";
import { shownFeatures } from "../kvm/shown.ts";

export interface Caches {
  /** Per cache: level, type (1 data, 2 instruction, 3 unified), ways, sets of 64-byte lines. */
  readonly caches: readonly (readonly [level: number, type: number, ways: number, sets: number])[];
  readonly brand: string;
}

function addMsrs(builder: CpuBuilder, { vendor, features }: CatalogueModel, kernel: string): void {
  const msrs = guestMsrs(vendor, (name) => features.includes(name), kernel);
  for (const [addr, value] of msrs) builder.msr(addr, value);
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
  builder.brand(caches.brand);
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

function addIdentity(builder: CpuBuilder, { vendor, signature }: CatalogueModel): void {
  const eax = encodeSignature(signature);
  builder.entry(0x0, 0, SIGNATURES[vendor]).entry(0x1, 0, { eax, ebx: 0x0001_0800 });
  if (vendor === "intel") builder.entry(0x2, 0, { eax: 0x00fe_ff01 });
  else builder.entry(0x8000_0000, 0, SIGNATURES.amd).entry(0x8000_0001, 0, { eax });
}

/** A model's guest CPU on one vCPU, without a template, as {@link onKernel} has fitted it. */
export function guestCpuOf(model: CatalogueModel, kernel: string, caches: Caches): OfferedCpu {
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
  if (kernelDoes(kernel, "shows-mappable-width"))
    builder.set("GUEST_MAXPHYADDR", model.physicalBits);
  addMsrs(builder, model, kernel);
  builder.setAll(model.features);
  addFacilities(builder, model.features);
  addXsave(builder, model.features, model.stateOffsets);
  return { arch: "x86_64", view: "guest", ...builder.build(), registers: [] };
}

export function onKernel(model: CatalogueModel, kernel: string): CatalogueModel {
  const { vendor, signature, features } = model;
  const shown = shownFeatures({ vendor, signature, features: new Set(features) }, kernel);
  const { basic, leaf7, extended } = limitsOf(kernel);
  return {
    ...model,
    features: features.filter((name) => shown.has(name)),
    maxBasicLeaf: Math.min(model.maxBasicLeaf, basic),
    maxLeaf7Subleaf: Math.min(model.maxLeaf7Subleaf, leaf7),
    maxExtendedLeaf: Math.min(model.maxExtendedLeaf, extended),
  };
}
