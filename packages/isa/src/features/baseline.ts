/**
 * Every x86-64 CPU has these, or nothing runs at all.
 * Source: x86-64 psABI, "Micro-Architecture Levels", baseline; Intel SDM volume 3, 2.2.4 (MSR).
 */
export const BASELINE: ReadonlySet<string> = new Set([
  "CLFLUSH",
  "CMOV",
  "CMPXCHG8B",
  "FPU",
  "FXSR",
  "MMX",
  "MSR",
  "SEP",
  "SSE",
  "SSE2",
  "SYSCALL",
  "TSC",
]);
