/**
 * CPU models by family, model and stepping, with the year they came to market and the bugs that
 * kernels look up by model (see bugs.ts): an older model is not always one that mitigates more.
 *
 * "Oldest" is decided by year, not by number: Ice Lake (6/106) is newer than Cascade Lake (6/85) and older than
 * Sapphire Rapids (6/143), but Skylake and Cascade Lake share 6/85 and differ by stepping.
 *
 * Sources: Linux `arch/x86/include/asm/intel-family.h` (names), QEMU target/i386/cpu.c (models it
 * emulates), Intel ARK and AMD's product
 * pages (launch dates).
 */
import type { BugId } from "./bugs.ts";
import type { CpuType, Vendor } from "./field.ts";

export interface Model {
  readonly vendor: Vendor;
  readonly family: number;
  readonly model: number;
  /** Lowest and highest stepping; all of them when absent. */
  readonly steppings?: readonly [lowest: number, highest: number];
  readonly name: string;
  /** Year and quarter of launch, e.g. 2019.25 for the second quarter of 2019. */
  readonly launched: number;
  /** Bugs that a guest's kernel looks up by this model. */
  readonly bugs: readonly BugId[];
}

const intel = { vendor: "intel", family: 6 } as const;

export const MODELS: readonly Model[] = [
  { ...intel, model: 0x1a, name: "Nehalem", launched: 2008.75, bugs: [] },
  { ...intel, model: 0x2c, name: "Westmere", launched: 2010, bugs: [] },
  { ...intel, model: 0x2a, name: "Sandy Bridge", launched: 2011, bugs: [] },
  { ...intel, model: 0x3a, name: "Ivy Bridge", launched: 2012.25, bugs: [] },
  { ...intel, model: 0x3e, name: "Ivy Bridge-EP", launched: 2013.5, bugs: [] },
  { ...intel, model: 0x2d, name: "Sandy Bridge-EP", launched: 2012, bugs: [] },
  { ...intel, model: 0x3f, name: "Haswell-EP", launched: 2014.5, bugs: ["MMIO_STALE_DATA"] },
  { ...intel, model: 0x3c, name: "Haswell", launched: 2013.25, bugs: [] },
  { ...intel, model: 0x3d, name: "Broadwell", launched: 2014.75, bugs: [] },
  { ...intel, model: 0x4f, name: "Broadwell-EP", launched: 2016, bugs: ["MMIO_STALE_DATA"] },
  { ...intel, model: 0x56, name: "Broadwell-DE", launched: 2015, bugs: ["MMIO_STALE_DATA"] },
  {
    ...intel,
    model: 0x5e,
    name: "Skylake",
    launched: 2015.5,
    bugs: ["MMIO_STALE_DATA", "RETBLEED"],
  },
  {
    ...intel,
    model: 0x55,
    steppings: [0, 4],
    name: "Skylake-SP",
    launched: 2017.5,
    bugs: ["MMIO_STALE_DATA", "RETBLEED"],
  },
  {
    ...intel,
    model: 0x55,
    steppings: [5, 7],
    name: "Cascade Lake",
    launched: 2019.25,
    bugs: ["MMIO_STALE_DATA", "RETBLEED"],
  },
  {
    ...intel,
    model: 0x55,
    steppings: [8, 11],
    name: "Cooper Lake",
    launched: 2020.25,
    bugs: ["MMIO_STALE_DATA", "RETBLEED"],
  },
  { ...intel, model: 0x6a, name: "Ice Lake-SP", launched: 2021.25, bugs: ["MMIO_STALE_DATA"] },
  { ...intel, model: 0x6c, name: "Ice Lake-D", launched: 2022, bugs: ["MMIO_STALE_DATA"] },
  { ...intel, model: 0x8f, name: "Sapphire Rapids", launched: 2023, bugs: [] },
  { ...intel, model: 0xcf, name: "Emerald Rapids", launched: 2023.75, bugs: [] },
  { ...intel, model: 0xaf, name: "Sierra Forest", launched: 2024.25, bugs: [] },
  { ...intel, model: 0xad, name: "Granite Rapids", launched: 2024.5, bugs: [] },
  { ...intel, model: 0xae, name: "Granite Rapids-D", launched: 2025, bugs: [] },
  { ...intel, model: 0xdd, name: "Clearwater Forest", launched: 2026, bugs: [] },
  {
    vendor: "amd",
    family: 0x15,
    model: 0x02,
    name: "Piledriver",
    launched: 2012.75,
    bugs: ["BTC"],
  },
  {
    vendor: "amd",
    family: 0x17,
    model: 0x01,
    name: "Naples",
    launched: 2017.25,
    bugs: ["BTC", "SRSO_17H"],
  },
  {
    vendor: "amd",
    family: 0x17,
    model: 0x31,
    name: "Rome",
    launched: 2019.5,
    bugs: ["BTC", "SRSO_17H"],
  },
  {
    vendor: "amd",
    family: 0x19,
    model: 0x01,
    steppings: [0, 1],
    name: "Milan",
    launched: 2021,
    bugs: ["SRSO_19H"],
  },
  {
    vendor: "amd",
    family: 0x19,
    model: 0x01,
    steppings: [2, 2],
    name: "Milan-X",
    launched: 2022,
    bugs: ["SRSO_19H"],
  },
  {
    vendor: "amd",
    family: 0x19,
    model: 0x11,
    name: "Genoa",
    launched: 2022.75,
    bugs: ["SRSO_19H"],
  },
  {
    vendor: "amd",
    family: 0x19,
    model: 0xa0,
    name: "Bergamo",
    launched: 2023.25,
    bugs: ["SRSO_19H"],
  },
  {
    vendor: "amd",
    family: 0x1a,
    model: 0x02,
    name: "Turin",
    launched: 2024.75,
    bugs: ["SRSO_1AH"],
  },
  {
    vendor: "amd",
    family: 0x1a,
    model: 0x11,
    name: "Turin Dense",
    launched: 2024.75,
    bugs: ["SRSO_1AH"],
  },
];

/** Family, model and stepping as people write them, extended fields folded in. */
export interface FamilyModelStepping {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
}

/** Decodes CPUID.01H:EAX. Source: Intel SDM vol. 2A, CPUID, "Version Information". */
export function decodeSignature(eax: number): FamilyModelStepping {
  const family = (eax >>> 8) & 0xf;
  const extended = family === 0xf ? (eax >>> 20) & 0xff : 0;
  const model = (eax >>> 4) & 0xf;
  const extendedModel = family === 0x6 || family === 0xf ? (eax >>> 16) & 0xf : 0;
  return { family: family + extended, model: (extendedModel << 4) | model, stepping: eax & 0xf };
}

/** Encodes family, model and stepping into CPUID.01H:EAX; the inverse of {@link decodeSignature}. */
export function encodeSignature({ family, model, stepping }: FamilyModelStepping): number {
  const base = Math.min(family, 0xf);
  const extended = family - base;
  return (
    ((extended << 20) | ((model >>> 4) << 16) | (base << 8) | ((model & 0xf) << 4) | stepping) >>> 0
  );
}

export function modelOf(vendor: CpuType, fms: FamilyModelStepping): Model | undefined {
  return MODELS.find(
    (m) =>
      m.vendor === vendor &&
      m.family === fms.family &&
      m.model === fms.model &&
      (m.steppings === undefined ||
        (fms.stepping >= m.steppings[0] && fms.stepping <= m.steppings[1])),
  );
}

export function formatFms({ family, model, stepping }: FamilyModelStepping): string {
  return `${family}/${model}/${stepping}`;
}
