/**
 * The x86-64 microarchitecture levels that distributions build for.
 * Source: x86-64 psABI, "Micro-Architecture Levels"
 * (https://gitlab.com/x86-psABIs/x86-64-ABI).
 */
import { words } from "./words.ts";

export interface MicroarchitectureLevel {
  readonly name: string;
  readonly features: readonly string[];
}

export const LEVELS: readonly MicroarchitectureLevel[] = [
  { name: "x86-64-v2", features: words("CMPXCHG16B LAHF_LM POPCNT SSE3 SSE4_1 SSE4_2 SSSE3") },
  { name: "x86-64-v3", features: words("AVX AVX2 BMI1 BMI2 F16C FMA LZCNT MOVBE XSAVE") },
  { name: "x86-64-v4", features: words("AVX512F AVX512BW AVX512CD AVX512DQ AVX512VL") },
];

/** The highest level whose features, and those of the levels below it, are all there. */
export function levelOf(features: ReadonlySet<string>): string {
  let reached = "x86-64-v1";
  for (const level of LEVELS) {
    if (!level.features.every((name) => features.has(name))) break;
    reached = level.name;
  }
  return reached;
}
