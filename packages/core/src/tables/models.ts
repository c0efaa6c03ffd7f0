/**
 * Finding CPU models by family, model and stepping. The rows are in models/intel.ts and
 * models/amd.ts.
 *
 * "Oldest" is decided by year, not by number: Ice Lake (6/106) is newer than Cascade Lake (6/85) and
 * older than Sapphire Rapids (6/143), but Skylake and Cascade Lake share 6/85 and differ by stepping.
 *
 * Sources of the rows: Linux `arch/x86/include/asm/intel-family.h` (names), QEMU target/i386/cpu.c
 * (models it emulates), Intel ARK and AMD's product pages (launch dates).
 */
import type { CpuidEntry } from "../cpuid.ts";
import { fail } from "../errors.ts";
import type { CpuType, Vendor } from "./field.ts";
import { AMD_MODELS } from "./models/amd.ts";
import { INTEL_MODELS } from "./models/intel.ts";
import type { Catalogued, Model } from "./models/model.ts";

export const MODELS: readonly Model[] = [...INTEL_MODELS, ...AMD_MODELS];

/** Family, model and stepping as people write them, extended fields folded in. */
export interface FamilyModelStepping {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
}

/** CPUID.01H:EAX as it stands; undefined where leaf 1 is absent. */
export function signatureOf(cpuid: readonly CpuidEntry[]): number | undefined {
  return cpuid.find(({ leaf }) => leaf === 1)?.eax;
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

export function modelOf(type: CpuType, fms: FamilyModelStepping): Model | undefined {
  return MODELS.find(
    (m) =>
      m.vendor === type &&
      m.family === fms.family &&
      m.model === fms.model &&
      (m.steppings === undefined ||
        (fms.stepping >= m.steppings[0] && fms.stepping <= m.steppings[1])),
  );
}

export function formatFms({ family, model, stepping }: FamilyModelStepping): string {
  return `${family}/${model}/${stepping}`;
}

export interface CatalogueModel extends Catalogued {
  /** E.g. `ice-lake-sp`. */
  readonly id: string;
  readonly name: string;
  readonly vendor: Vendor;
  /** The year it came to market. */
  readonly launched: number;
  readonly signature: FamilyModelStepping;
}

function cataloguedOf(row: Model): CatalogueModel[] {
  const { vendor, family, model, name, catalogue } = row;
  if (catalogue === undefined) return [];
  const id = name.toLowerCase().replaceAll(" ", "-");
  const signature = { family, model, stepping: catalogue.stepping };
  return [{ ...catalogue, id, name, vendor, launched: Math.floor(row.launched), signature }];
}

export const CATALOGUE_MODELS: readonly CatalogueModel[] = MODELS.flatMap(cataloguedOf);

/** The catalogue's x86 model; throws UNKNOWN_MODEL with what there is. */
export function requireModel(id: string): CatalogueModel {
  const known = CATALOGUE_MODELS.map((model) => model.id).join(", ");
  return (
    CATALOGUE_MODELS.find((model) => model.id === id) ??
    fail("UNKNOWN_MODEL", `no model "${id}" in the catalogue; known: ${known}`)
  );
}

export function modelFor(
  vendor: Vendor,
  signature: FamilyModelStepping,
): CatalogueModel | undefined {
  const name = modelOf(vendor, signature)?.name;
  return CATALOGUE_MODELS.find((model) => model.vendor === vendor && model.name === name);
}
