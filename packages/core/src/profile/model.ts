/** What model a CPU is, by what it says of itself. */
import { armModel, midrOf } from "../tables/arm/models.ts";
import type { CpuType } from "../tables/field.ts";
import {
  decodeSignature,
  formatFms,
  modelOf,
  signatureOf,
  type FamilyModelStepping,
} from "../tables/models.ts";
import type { OfferedCpu } from "./profile.ts";

export interface CpuModel {
  readonly name: string;
  /** Year and quarter; undefined where the model, or its age, is not known. */
  readonly launched: number | undefined;
  readonly signature: FamilyModelStepping | undefined;
}

export function modelName(vendor: CpuType, signature: FamilyModelStepping): string {
  return modelOf(vendor, signature)?.name ?? `${vendor} ${formatFms(signature)}`;
}

function x86Model({ cpuid }: OfferedCpu, type: CpuType): CpuModel {
  const signature = decodeSignature(signatureOf(cpuid) ?? 0);
  const launched = modelOf(type, signature)?.launched;
  return { name: modelName(type, signature), launched, signature };
}

function aarch64Model({ registers }: OfferedCpu): CpuModel {
  return { name: armModel(midrOf(registers) ?? 0n), launched: undefined, signature: undefined };
}

const MODEL: Readonly<Record<CpuType, (cpu: OfferedCpu, type: CpuType) => CpuModel>> = {
  intel: x86Model,
  amd: x86Model,
  aarch64: aarch64Model,
};

export function cpuModel(cpu: OfferedCpu, type: CpuType): CpuModel {
  return MODEL[type](cpu, type);
}
