/**
 * What makes two CPUs the same to a guest (docs/adr/0004-classes.md), as text. Caches, topology and
 * clock rates are free on x86.
 */
import { mask64 } from "../bits.ts";
import { entryKey, REGISTERS } from "../cpuid.ts";
import { describesCpu, isAlwaysThere, isCacheGeometry } from "../tables/arm/lookup.ts";
import { MPIDR_EL1 } from "../tables/arm/others.ts";
import type { CpuType } from "../tables/field.ts";
import { plannedMasks } from "../tables/masks.ts";
import { isPlannedRegister, plannedRegisterMask } from "../tables/registers.ts";
import type { OfferedCpu } from "./profile.ts";

/** The entries and their flags, every bit a plan decides, and which other MSRs there are. */
function x86Content(cpu: OfferedCpu, type: CpuType): string {
  const parts: string[] = [type, cpu.view];
  for (const entry of cpu.cpuid) {
    const { leaf, subleaf, flags } = entry;
    const mask = plannedMasks(type, leaf, subleaf);
    const words = REGISTERS.map((register) => (entry[register] & mask[register]) >>> 0);
    parts.push(`${entryKey(leaf, subleaf)}/${flags}:${words.join(",")}`);
  }
  for (const { addr, value } of cpu.msrs) {
    const mask = isPlannedRegister(type, addr) ? plannedRegisterMask(type, addr) : 0n;
    parts.push(`${addr.toString(16)}=${(value & mask).toString(16)}`);
  }
  return parts.join("\n");
}

const WORD = mask64(63, 0);

/** What a verdict looks at of a register: all that describes the CPU, but the vCPU's own place. */
function armMask(id: bigint): bigint {
  return id !== MPIDR_EL1 && (describesCpu(id) || isCacheGeometry(id)) ? WORD : 0n;
}

function armContent({ registers }: OfferedCpu): string {
  return registers
    .filter(({ id }) => !isAlwaysThere(id))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, value }) => `${id.toString(16)}=${(value & armMask(id)).toString(16)}`)
    .join("\n");
}

const CONTENT: Readonly<Record<CpuType, (cpu: OfferedCpu, type: CpuType) => string>> = {
  intel: x86Content,
  amd: x86Content,
  aarch64: armContent,
};

export function contentOf(cpu: OfferedCpu, type: CpuType): string {
  return CONTENT[type](cpu, type);
}
