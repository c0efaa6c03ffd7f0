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
import { words } from "../words.ts";

/** Fields where 0xf says "absent". Source: `S_ARM64_FTR_BITS` in cpufeature.c, 32-bit registers. */
const SIGNED: ReadonlySet<string> = new Set(["InnerShr", "OuterShr", "PerfMon", "MTPMU"]);
const IMMUNITIES: ReadonlySet<string> = new Set(["CSV2", "CSV3"]);

function row(name: string, lo: number, readBy: string | undefined): ArmRow {
  const title = `AArch32 ${name}`;
  if (IMMUNITIES.has(name)) return immunity(lo, name, title);
  if (name === "SpecSEI") return weakness(lo, name, title);
  const build = readBy === "user" ? instruction : kernel;
  return build(lo, name, title, { signed: SIGNED.has(name) });
}

/** Register, CRm, op2, who reads it; then the fields from the lowest four bits up, `-`: reserved. */
const REGISTERS = `
  ID_PFR0_EL1 1 0 kernel State0 State1 State2 State3 CSV2 AMU DIT RAS
  ID_PFR1_EL1 1 1 kernel ProgMod Security MProgMod Virtualization GenTimer Sec_frac Virt_frac GIC
  ID_DFR0_EL1 1 2 kernel CopDbg CopSDbg MMapDbg CopTrc MMapTrc MProfDbg PerfMon TraceFilt
  ID_MMFR0_EL1 1 4 kernel VMSA PMSA OuterShr ShareLvl TCM AuxReg FCSE InnerShr
  ID_MMFR1_EL1 1 5 kernel L1HvdVA L1UniVA L1HvdSW L1UniSW L1Hvd L1Uni L1TstCln BPred
  ID_MMFR2_EL1 1 6 kernel L1HvdFG L1HvdBG L1HvdRng HvdTLB UniTLB MemBarr WFIStall HWAccFlg
  ID_MMFR3_EL1 1 7 kernel CMaintVA CMaintSW BPMaint MaintBcst PAN CohWalk CMemSz Supersec
  ID_ISAR0_EL1 2 0 user Swap BitCount BitField CmpBranch Coproc Debug Divide
  ID_ISAR1_EL1 2 1 user Endian Except Except_AR Extend IfThen Immediate Interwork Jazelle
  ID_ISAR2_EL1 2 2 user LoadStore MemHint MultiAccessInt Mult MultS MultU PSR_AR Reversal
  ID_ISAR3_EL1 2 3 user Saturate SIMD SVC SynchPrim TabBranch T32Copy TrueNOP T32EE
  ID_ISAR4_EL1 2 4 user Unpriv WithShifts Writeback SMC Barrier SynchPrim_frac PSR_M SWP_frac
  ID_ISAR5_EL1 2 5 user SEVL AES SHA1 SHA2 CRC32 - RDM VCMA
  ID_MMFR4_EL1 2 6 kernel SpecSEI AC2 XNX CnP HPDS LSM CCIDX EVT
  ID_ISAR6_EL1 2 7 user JSCVT DP FHM SB SPECRES BF16 I8MM CLRBHB
  MVFR0_EL1 3 0 user SIMDReg FPSP FPDP FPTrap FPDivide FPSqrt FPShVec FPRound
  MVFR1_EL1 3 1 user FPFtZ FPDNaN SIMDLS SIMDInt SIMDSP SIMDHP FPHP SIMDFMAC
  MVFR2_EL1 3 2 user SIMDMisc FPMisc
  ID_PFR2_EL1 3 4 kernel CSV3 SSBS RAS_frac
  ID_DFR1_EL1 3 5 kernel MTPMU HPMN0
  ID_MMFR5_EL1 3 6 kernel ETS nTLBPA
`;

export const AA32_FIELDS: readonly ArmField[] = REGISTERS.trim()
  .split("\n")
  .flatMap((line) => {
    const [register = "", crm, op2, readBy, ...names] = words(line);
    const rows = names.flatMap((name, i) => (name === "-" ? [] : [row(name, i * 4, readBy)]));
    const id = systemRegister(3, 0, 0, Number(crm), Number(op2));
    return inArmRegister({ register, id, group: "AArch32" }, rows);
  });
