/** AArch64 ID registers that describe instructions and processor features. */
import {
  exact,
  hint,
  immunity,
  inArmRegister,
  instruction,
  kernel,
  minimum,
  systemRegister,
  type ArmRow,
} from "./field.ts";
import type { ArmField } from "../field.ts";

function idRegister(
  name: string,
  crm: number,
  op2: number,
  group: string,
  rows: readonly ArmRow[],
): ArmField[] {
  const register = `ID_AA64${name}_EL1`;
  return inArmRegister({ register, id: systemRegister(3, 0, 0, crm, op2), group }, rows);
}

/** Fields that say nothing without one of these features. */
function usedBy(features: readonly string[], fields: readonly ArmField[]): ArmField[] {
  return fields.map((field) => ({ ...field, usedBy: features }));
}

/** 0 is the feature, larger is more of it, 15 (-1) is its absence. */
const ABSENT_IS_15 = { signed: true, presentAtZero: true } as const;
const PAC = "pointer authentication";

/** A mask or an algorithm rather than a level: Linux wants it equal, else absent. */
function variant(bits: number | readonly [number, number], name: string, title: string): ArmRow {
  return { ...exact(bits, name, title), kind: "feature" };
}

const PFR0 = idRegister("PFR0", 4, 0, "processor", [
  kernel(0, "EL0", "EL0 execution states; 2: AArch32 too", { group: "AArch32" }),
  kernel(4, "EL1", "EL1 execution states; 2: AArch32 too", { group: "AArch32" }),
  kernel(8, "EL2", "EL2"),
  kernel(12, "EL3", "EL3"),
  instruction(16, "FP", "floating point; 1: half precision", { ...ABSENT_IS_15, group: "SIMD" }),
  instruction(20, "AdvSIMD", "Advanced SIMD; 1: half precision", {
    ...ABSENT_IS_15,
    group: "SIMD",
  }),
  kernel(24, "GIC", "system register interface to the interrupt controller"),
  kernel(28, "RAS", "reliability, availability, serviceability"),
  instruction(32, "SVE", "Scalable Vector Extension", { group: "SVE" }),
  kernel(36, "SEL2", "secure EL2"),
  kernel(40, "MPAM", "memory partitioning and monitoring", { ignoredSince: "6.13" }),
  kernel(44, "AMU", "activity monitors"),
  instruction(48, "DIT", "data independent timing"),
  kernel(52, "RME", "realm management"),
  immunity(56, "CSV2", "branch targets of one context cannot steer another", {
    group: "immunities",
  }),
  immunity(60, "CSV3", "faulting loads do not leak (Meltdown)", { group: "immunities" }),
]);

const PFR1 = idRegister("PFR1", 4, 1, "processor", [
  // BTI's instruction is a hint: without it, code runs, and its branches are not guarded.
  { ...immunity(0, "BT", "branch target identification"), readBy: "user" },
  instruction(4, "SSBS", "speculative store bypass control"),
  instruction(8, "MTE", "memory tagging"),
  kernel(12, "RAS_frac", "RAS, minor version"),
  kernel(16, "MPAM_frac", "MPAM, minor version", { ignoredSince: "6.13" }),
  instruction(24, "SME", "Scalable Matrix Extension", { group: "SME" }),
  kernel(28, "RNDR_trap", "trapping of RNDR"),
  immunity(32, "CSV2_frac", "CSV2, minor version", { group: "immunities" }),
  kernel(36, "NMI", "non-maskable interrupts"),
  kernel(40, "MTE_frac", "asynchronous tag faults", { signed: true }),
  instruction(44, "GCS", "guarded control stacks"),
  kernel(48, "THE", "translation hardening"),
  instruction(52, "MTEX", "memory tagging, further modes"),
  kernel(56, "DF2", "double fault extension"),
  kernel(60, "PFAR", "physical fault address register"),
]);

const PFR2 = idRegister("PFR2", 4, 2, "processor", [
  kernel(0, "MTEPERM", "tag access permission"),
  instruction(4, "MTESTOREONLY", "store-only tag checking"),
  kernel(8, "MTEFAR", "full fault address on tag faults"),
  kernel(12, "GCIE", "GICv5 CPU interface"),
  kernel(16, "UINJ", "injection of undefined instruction exceptions"),
  instruction(32, "FPMR", "floating point mode register", { group: "SIMD" }),
]);

const ZFR0 = usedBy(
  ["SVE", "SME"],
  idRegister("ZFR0", 4, 4, "SVE", [
    instruction(0, "SVEver", "SVE version"),
    instruction(4, "AES", "SVE AES"),
    instruction(12, "EltPerm", "SVE element permutes"),
    instruction(16, "BitPerm", "SVE bit permutes"),
    instruction(20, "BF16", "SVE BFloat16"),
    instruction(24, "B16B16", "SVE non-widening BFloat16"),
    instruction(32, "SHA3", "SVE SHA3"),
    instruction(40, "SM4", "SVE SM4"),
    instruction(44, "I8MM", "SVE Int8 matrix multiplication"),
    instruction(48, "F16MM", "SVE FP16 matrix multiplication"),
    instruction(52, "F32MM", "SVE FP32 matrix multiplication"),
    instruction(56, "F64MM", "SVE FP64 matrix multiplication"),
  ]),
);

const SMFR0 = usedBy(
  ["SME"],
  idRegister("SMFR0", 4, 5, "SME", [
    variant([32, 32], "F32F32", "SME FP32 outer products"),
    variant([33, 33], "BI32I32", "SME binary outer products"),
    variant([34, 34], "B16F32", "SME BFloat16 outer products"),
    variant([35, 35], "F16F32", "SME FP16 outer products"),
    variant(36, "I8I32", "SME Int8 outer products"),
    variant([42, 42], "F16F16", "SME non-widening FP16"),
    variant([43, 43], "B16B16", "SME non-widening BFloat16"),
    variant(44, "I16I32", "SME Int16 to Int32 outer products"),
    variant([48, 48], "F64F64", "SME FP64 outer products"),
    variant(52, "I16I64", "SME Int16 to Int64 outer products"),
    variant(56, "SMEver", "SME version"),
    variant([63, 63], "FA64", "all of A64 in streaming mode"),
  ]),
);

const FPFR0 = usedBy(
  ["FPMR"],
  idRegister("FPFR0", 4, 7, "SIMD", [
    instruction([0, 0], "F8E5M2", "FP8 format E5M2"),
    instruction([1, 1], "F8E4M3", "FP8 format E4M3"),
    instruction([26, 26], "F8MM4", "FP8 matrix multiplication to FP16"),
    instruction([27, 27], "F8MM8", "FP8 matrix multiplication to FP32"),
    instruction([28, 28], "F8DP2", "FP8 two-way dot product"),
    instruction([29, 29], "F8DP4", "FP8 four-way dot product"),
    instruction([30, 30], "F8FMA", "FP8 multiply-accumulate"),
    instruction([31, 31], "F8CVT", "FP8 conversion"),
  ]),
);

const DFR0 = idRegister("DFR0", 5, 0, "debug", [
  kernel(0, "DebugVer", "debug architecture"),
  kernel(4, "TraceVer", "trace unit registers"),
  // KVM takes the lower version although cpufeature.c wants it equal: a guest has one PMU.
  kernel(8, "PMUVer", "performance monitors; 15: not the architecture's", { signed: true }),
  minimum(12, "BRPs", "breakpoints, less one"),
  kernel(16, "PMSS", "PMU snapshots"),
  minimum(20, "WRPs", "watchpoints, less one"),
  kernel(24, "SEBEP", "synchronous event-based profiling"),
  minimum(28, "CTX_CMPs", "context-aware breakpoints, less one"),
  kernel(32, "PMSVer", "statistical profiling"),
  kernel(36, "DoubleLock", "OS double lock", ABSENT_IS_15),
  kernel(40, "TraceFilt", "trace filtering"),
  kernel(44, "TraceBuffer", "trace buffer"),
  kernel(48, "MTPMU", "multi-threaded PMU", { signed: true }),
  kernel(52, "BRBE", "branch record buffer"),
  kernel(56, "ExtTrcBuff", "external trace buffer"),
  kernel(60, "HPMN0", "zero counters for guests of the guest"),
]);

const DFR1 = idRegister("DFR1", 5, 1, "debug", [
  minimum([7, 0], "SYSPMUID", "system PMU"),
  minimum([15, 8], "BRPs", "breakpoints, when there are more than 16"),
  minimum([23, 16], "WRPs", "watchpoints, when there are more than 16"),
  minimum([31, 24], "CTX_CMPs", "context-aware breakpoints, when there are more than 16"),
  kernel(32, "SPMU", "system performance monitors"),
  kernel(36, "PMICNTR", "instruction counter"),
  kernel(40, "ABLE", "address breakpoint linking"),
  kernel(44, "ITE", "instrumentation trace"),
  kernel(48, "EBEP", "event-based profiling exceptions"),
  kernel(52, "DPFZS", "counters freeze in debug state"),
  minimum([63, 56], "ABL_CMPs", "address-linked breakpoints"),
]);

const ISAR0 = idRegister("ISAR0", 6, 0, "instructions", [
  instruction(4, "AES", "AES; 2: PMULL too", { group: "crypto" }),
  instruction(8, "SHA1", "SHA1", { group: "crypto" }),
  instruction(12, "SHA2", "SHA256; 2: SHA512 too", { group: "crypto" }),
  instruction(16, "CRC32", "CRC32", { group: "crypto" }),
  instruction(20, "Atomic", "LSE atomics; 3: 128 bits"),
  instruction(24, "TME", "transactional memory"),
  instruction(28, "RDM", "rounding doubling multiply-accumulate", { group: "SIMD" }),
  instruction(32, "SHA3", "SHA3", { group: "crypto" }),
  instruction(36, "SM3", "SM3", { group: "crypto" }),
  instruction(40, "SM4", "SM4", { group: "crypto" }),
  instruction(44, "DP", "dot product", { group: "SIMD" }),
  instruction(48, "FHM", "FP16 multiply to FP32", { group: "SIMD" }),
  instruction(52, "TS", "flag manipulation"),
  kernel(56, "TLB", "TLB maintenance, outer shareable and by range"),
  instruction(60, "RNDR", "random numbers", { group: "crypto" }),
]);

const ISAR1 = idRegister("ISAR1", 6, 1, "instructions", [
  instruction(0, "DPB", "cache clean to persistence"),
  { ...variant(4, "APA", "pointer authentication, QARMA5"), group: PAC },
  { ...variant(8, "API", "pointer authentication, the CPU's own algorithm"), group: PAC },
  instruction(12, "JSCVT", "JavaScript conversion"),
  instruction(16, "FCMA", "complex numbers", { group: "SIMD" }),
  instruction(20, "LRCPC", "weaker load-acquire"),
  instruction(24, "GPA", "generic authentication, QARMA5", { group: PAC }),
  instruction(28, "GPI", "generic authentication, the CPU's own algorithm", { group: PAC }),
  instruction(32, "FRINTTS", "rounding to integer sizes", { group: "SIMD" }),
  instruction(36, "SB", "speculation barrier", { group: "speculation control" }),
  instruction(40, "SPECRES", "prediction invalidation", { group: "speculation control" }),
  instruction(44, "BF16", "BFloat16", { group: "SIMD" }),
  hint(48, "DGH", "data gathering hint"),
  instruction(52, "I8MM", "Int8 matrix multiplication", { group: "SIMD" }),
  kernel(56, "XS", "XS attribute in maintenance"),
  instruction(60, "LS64", "64-byte loads and stores"),
]);

const ISAR2 = idRegister("ISAR2", 6, 2, "instructions", [
  instruction(0, "WFxT", "wait with a timeout"),
  instruction(4, "RPRES", "more exact reciprocal estimates", { group: "SIMD" }),
  instruction(8, "GPA3", "generic authentication, QARMA3", { group: PAC }),
  { ...variant(12, "APA3", "pointer authentication, QARMA3"), group: PAC },
  instruction(16, "MOPS", "memory copy and set"),
  // Linux merges it upwards; it is an instruction, and a guest must not be promised one.
  instruction(20, "BC", "conditional branch with a hint"),
  instruction(24, "PAC_frac", "pointer authentication, minor version", { group: PAC }),
  immunity(28, "CLRBHB", "clear branch history", { group: "speculation control" }),
  kernel(32, "SYSREG_128", "128-bit system registers"),
  kernel(36, "SYSINSTR_128", "128-bit system instructions"),
  hint(40, "PRFMSLC", "prefetch to the system cache"),
  hint(44, "PCDPHINT", "producer-consumer hints"),
  hint(48, "RPRFM", "range prefetch"),
  instruction(52, "CSSC", "common short sequences"),
  instruction(56, "LUT", "table lookup", { group: "SIMD" }),
  kernel(60, "ATS1A", "address translation without permissions"),
]);

const ISAR3 = idRegister("ISAR3", 6, 3, "instructions", [
  instruction(0, "CPA", "checked pointer arithmetic"),
  instruction(4, "FAMINMAX", "absolute minimum and maximum", { group: "SIMD" }),
  kernel(8, "TLBIW", "TLB maintenance of permissions"),
  instruction(12, "PACM", "pointer authentication modifiers", { group: PAC }),
  instruction(16, "LSFE", "floating point atomics"),
  kernel(20, "OCCMO", "outer cacheable maintenance"),
  kernel(24, "LSUI", "unprivileged atomics"),
  instruction(28, "FPRCVT", "floating point conversion between register sets", { group: "SIMD" }),
]);

const REGISTERS = [PFR0, PFR1, PFR2, ZFR0, SMFR0, FPFR0, DFR0, DFR1, ISAR0, ISAR1, ISAR2, ISAR3];

export const AA64_FEATURE_FIELDS: readonly ArmField[] = REGISTERS.flat();
