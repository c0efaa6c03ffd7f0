/**
 * Firecracker's CPU template, as data.
 * Source: https://github.com/firecracker-microvm/firecracker/blob/main/docs/cpu_templates/cpu-templates.md
 */
import type { Register } from "../cpuid.ts";

/** A tri-state bitmap: where `mask` has 1 the bit becomes `value`'s, elsewhere it is kept. */
export interface Bitmap32 {
  readonly mask: number;
  readonly value: number;
}

/** {@link Bitmap32} for MSRs (64 bits) and ARM registers (up to 128 bits). */
export interface WideBitmap {
  readonly mask: bigint;
  readonly value: bigint;
}

export interface RegisterModifier extends Bitmap32 {
  readonly register: Register;
}

export interface CpuidModifier {
  readonly leaf: number;
  readonly subleaf: number;
  /** Replaces KVM's flags of the entry. */
  readonly flags: number;
  readonly modifiers: readonly RegisterModifier[];
}

export interface MsrModifier extends WideBitmap {
  readonly addr: number;
}

export interface ArmRegisterModifier extends WideBitmap {
  readonly addr: bigint;
}

export interface VcpuFeatureModifier extends Bitmap32 {
  readonly index: number;
}

export interface CpuTemplate {
  /** KVM capability numbers to require; `!` in front: not to require. */
  readonly kvmCapabilities: readonly string[];
  readonly cpuidModifiers: readonly CpuidModifier[];
  readonly msrModifiers: readonly MsrModifier[];
  readonly vcpuFeatures: readonly VcpuFeatureModifier[];
  readonly regModifiers: readonly ArmRegisterModifier[];
}

export const EMPTY_TEMPLATE: CpuTemplate = {
  kvmCapabilities: [],
  cpuidModifiers: [],
  msrModifiers: [],
  vcpuFeatures: [],
  regModifiers: [],
};

export function templateArch(template: CpuTemplate): "x86_64" | "aarch64" | undefined {
  if (template.regModifiers.length + template.vcpuFeatures.length > 0) return "aarch64";
  if (template.cpuidModifiers.length + template.msrModifiers.length > 0) return "x86_64";
  return undefined;
}
