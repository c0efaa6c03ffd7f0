/** AArch32 ID registers, as AArch64 reads them: eight fields of four bits each. */
import {
  immunity,
  inArmRegister,
  instruction,
  kernel,
  systemRegister,
  weakness,
  type ArmRow,
} from "./field.ts";
import type { ArmField } from "../field.ts";

/** Fields where 0xf says "absent". Source: `S_ARM64_FTR_BITS` in cpufeature.c, 32-bit registers. */
const SIGNED: ReadonlySet<string> = new Set(["InnerShr", "OuterShr", "PerfMon", "MTPMU"]);
const IMMUNITIES: ReadonlySet<string> = new Set(["CSV2", "CSV3"]);

type Reader = "user" | "kernel";

function row(name: string, lo: number, readBy: Reader): ArmRow {
  const title = `AArch32 ${name}`;
  if (IMMUNITIES.has(name)) return immunity(lo, name, title);
  if (name === "SpecSEI") return weakness(lo, name, title);
  const build = readBy === "user" ? instruction : kernel;
  return build(lo, name, title, { signed: SIGNED.has(name) });
}

/** `names` from the lowest four bits up; `-` where they are reserved. */
function aa32(register: string, crm: number, op2: number, readBy: Reader, names: string) {
  const rows = names
    .split(" ")
    .flatMap((name, i) => (name === "-" ? [] : [row(name, i * 4, readBy)]));
  const id = systemRegister(3, 0, 0, crm, op2);
  return inArmRegister({ register, id, group: "AArch32" }, rows);
}

export const AA32_FIELDS: readonly ArmField[] = [
  aa32("ID_PFR0_EL1", 1, 0, "kernel", "State0 State1 State2 State3 CSV2 AMU DIT RAS"),
  aa32(
    "ID_PFR1_EL1",
    1,
    1,
    "kernel",
    "ProgMod Security MProgMod Virtualization GenTimer Sec_frac Virt_frac GIC",
  ),
  aa32(
    "ID_DFR0_EL1",
    1,
    2,
    "kernel",
    "CopDbg CopSDbg MMapDbg CopTrc MMapTrc MProfDbg PerfMon TraceFilt",
  ),
  aa32("ID_MMFR0_EL1", 1, 4, "kernel", "VMSA PMSA OuterShr ShareLvl TCM AuxReg FCSE InnerShr"),
  aa32(
    "ID_MMFR1_EL1",
    1,
    5,
    "kernel",
    "L1HvdVA L1UniVA L1HvdSW L1UniSW L1Hvd L1Uni L1TstCln BPred",
  ),
  aa32(
    "ID_MMFR2_EL1",
    1,
    6,
    "kernel",
    "L1HvdFG L1HvdBG L1HvdRng HvdTLB UniTLB MemBarr WFIStall HWAccFlg",
  ),
  aa32(
    "ID_MMFR3_EL1",
    1,
    7,
    "kernel",
    "CMaintVA CMaintSW BPMaint MaintBcst PAN CohWalk CMemSz Supersec",
  ),
  aa32("ID_ISAR0_EL1", 2, 0, "user", "Swap BitCount BitField CmpBranch Coproc Debug Divide"),
  aa32(
    "ID_ISAR1_EL1",
    2,
    1,
    "user",
    "Endian Except Except_AR Extend IfThen Immediate Interwork Jazelle",
  ),
  aa32(
    "ID_ISAR2_EL1",
    2,
    2,
    "user",
    "LoadStore MemHint MultiAccessInt Mult MultS MultU PSR_AR Reversal",
  ),
  aa32("ID_ISAR3_EL1", 2, 3, "user", "Saturate SIMD SVC SynchPrim TabBranch T32Copy TrueNOP T32EE"),
  aa32(
    "ID_ISAR4_EL1",
    2,
    4,
    "user",
    "Unpriv WithShifts Writeback SMC Barrier SynchPrim_frac PSR_M SWP_frac",
  ),
  aa32("ID_ISAR5_EL1", 2, 5, "user", "SEVL AES SHA1 SHA2 CRC32 - RDM VCMA"),
  aa32("ID_MMFR4_EL1", 2, 6, "kernel", "SpecSEI AC2 XNX CnP HPDS LSM CCIDX EVT"),
  aa32("ID_ISAR6_EL1", 2, 7, "user", "JSCVT DP FHM SB SPECRES BF16 I8MM CLRBHB"),
  aa32("MVFR0_EL1", 3, 0, "user", "SIMDReg FPSP FPDP FPTrap FPDivide FPSqrt FPShVec FPRound"),
  aa32("MVFR1_EL1", 3, 1, "user", "FPFtZ FPDNaN SIMDLS SIMDInt SIMDSP SIMDHP FPHP SIMDFMAC"),
  aa32("MVFR2_EL1", 3, 2, "user", "SIMDMisc FPMisc"),
  aa32("ID_PFR2_EL1", 3, 4, "kernel", "CSV3 SSBS RAS_frac"),
  aa32("ID_DFR1_EL1", 3, 5, "kernel", "MTPMU HPMN0"),
  aa32("ID_MMFR5_EL1", 3, 6, "kernel", "ETS nTLBPA"),
].flat();
