/** What every x86-64 CPU has: an instruction that needs no more cannot be missing. */

/**
 * Names of CPUID rows. Source: x86-64 psABI, "Micro-Architecture Levels", baseline; Intel SDM
 * volume 3, 2.2.4 (MSR), volume 2, CLFLUSH, SYSENTER.
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
