/** AArch64 ID registers that describe the memory model. */
import {
  exact,
  immunity,
  inArmRegister,
  kernel,
  minimum,
  systemRegister,
  weakness,
  type ArmRow,
} from "./field.ts";
import type { ArmField } from "../field.ts";

function memoryModel(number: number, rows: readonly ArmRow[]): ArmField[] {
  const register = `ID_AA64MMFR${number}_EL1`;
  const id = systemRegister(3, 0, 0, 7, number);
  return inArmRegister({ register, id, group: "memory" }, rows);
}

/** 0 is the feature, 15 (-1) is its absence. */
const ABSENT_IS_15 = { signed: true, presentAtZero: true } as const;

/** Granules at stage 2: 1 is "none", 0 is "as at stage 1", so there is no order. */
const stage2 = { safe: 1n } as const;

const MMFR0 = memoryModel(0, [
  minimum(0, "PARange", "physical address range"),
  minimum(4, "ASIDBits", "ASID size"),
  kernel(8, "BigEnd", "mixed endianness"),
  kernel(12, "SNSMem", "secure memory"),
  kernel(16, "BigEndEL0", "mixed endianness at EL0"),
  kernel(20, "TGran16", "16 KiB pages"),
  kernel(24, "TGran64", "64 KiB pages", ABSENT_IS_15),
  kernel(28, "TGran4", "4 KiB pages", ABSENT_IS_15),
  exact(32, "TGran16_2", "16 KiB pages at stage 2", stage2),
  exact(36, "TGran64_2", "64 KiB pages at stage 2", stage2),
  exact(40, "TGran4_2", "4 KiB pages at stage 2", stage2),
  kernel(44, "ExS", "non-context-synchronizing exceptions"),
  kernel(56, "FGT", "fine-grained traps"),
  kernel(60, "ECV", "enhanced counter virtualization"),
]);

const MMFR1 = memoryModel(1, [
  kernel(0, "HAFDBS", "hardware access flag and dirty state"),
  minimum(4, "VMIDBits", "VMID size"),
  kernel(8, "VH", "virtualization host extensions"),
  kernel(12, "HPDS", "hierarchical permission disables"),
  kernel(16, "LO", "limited ordering regions"),
  kernel(20, "PAN", "privileged access never"),
  weakness(24, "SpecSEI", "SErrors from speculative reads"),
  kernel(28, "XNX", "execute-never at stage 2"),
  kernel(32, "TWED", "delayed trapping of WFE"),
  kernel(36, "ETS", "enhanced translation synchronization"),
  kernel(40, "HCX", "extended hypervisor configuration"),
  kernel(44, "AFP", "alternate floating point behaviour"),
  kernel(48, "nTLBPA", "no intermediate caching by physical address"),
  kernel(52, "TIDCP1", "EL0 trap of implementation-defined registers"),
  kernel(56, "CMOW", "cache maintenance permission"),
  immunity(60, "ECBHB", "branch history of one context does not steer another", {
    group: "immunities",
  }),
]);

const MMFR2 = memoryModel(2, [
  kernel(0, "CnP", "common not private translations"),
  kernel(4, "UAO", "user access override"),
  kernel(8, "LSM", "load/store multiple control"),
  kernel(12, "IESB", "implicit error synchronization"),
  minimum(16, "VARange", "virtual address range"),
  kernel(20, "CCIDX", "64-bit cache geometry registers"),
  kernel(24, "NV", "nested virtualization", { ignoredSince: "6.15" }),
  minimum(28, "ST", "small translation tables"),
  kernel(32, "AT", "unaligned single-copy atomicity"),
  kernel(36, "IDS", "syndrome of ID register traps"),
  kernel(40, "FWB", "forced write-back at stage 2"),
  kernel(48, "TTL", "level hints in TLB maintenance"),
  kernel(52, "BBM", "changing block sizes without break-before-make"),
  kernel(56, "EVT", "enhanced virtualization traps"),
  kernel(60, "E0PD", "EL0 cannot probe the other half of memory"),
]);

const MMFR3 = memoryModel(3, [
  kernel(0, "TCRX", "extended translation control"),
  kernel(4, "SCTLRX", "extended system control"),
  kernel(8, "S1PIE", "permission indirection at stage 1"),
  kernel(12, "S2PIE", "permission indirection at stage 2"),
  kernel(16, "S1POE", "permission overlay at stage 1"),
  kernel(20, "S2POE", "permission overlay at stage 2"),
  kernel(24, "AIE", "attribute indexes"),
  kernel(28, "MEC", "memory encryption contexts"),
  kernel(32, "D128", "128-bit descriptors"),
  kernel(36, "D128_2", "128-bit descriptors at stage 2"),
  kernel(40, "SNERR", "synchronous normal read errors"),
  kernel(44, "ANERR", "asynchronous normal read errors"),
  kernel(52, "SDERR", "synchronous device read errors"),
  kernel(56, "ADERR", "asynchronous device read errors"),
  kernel(60, "Spec_FPACC", "speculation on authentication failures"),
]);

const MMFR4 = memoryModel(4, [
  kernel(4, "EIESB", "early implicit error synchronization", { signed: true }),
  kernel(8, "ASID2", "two ASIDs at once"),
  kernel(12, "HACDBS", "hardware cleaning of dirty state"),
  kernel(16, "FGWTE3", "fine-grained write traps to EL3"),
  kernel(20, "NV_frac", "nested virtualization, minor version"),
  kernel(24, "E2H0", "EL2 without the host extensions", ABSENT_IS_15),
  kernel(36, "E3DSE", "delegated SErrors"),
]);

export const AA64_MEMORY_FIELDS: readonly ArmField[] = [MMFR0, MMFR1, MMFR2, MMFR3, MMFR4].flat();
