/**
 * aarch64 server CPUs by the fields of their ID registers, as KVM shows them to a guest that asks
 * for no optional vCPU feature: no SVE, no pointer authentication, no memory tagging.
 *
 * Sources: Arm's Technical Reference Manuals of Neoverse N1 (100616), V1 (101427) and V2 (102375),
 * and Linux arch/arm64/kvm/sys_regs.c and arch/arm64/kernel/cpufeature.c (what KVM shows). Where
 * they leave a value to the CPU's maker or to its settings, it is what Amazon's CPUs show, as
 * published in Firecracker's fingerprints (tests/data/cpu_template_helper, ARM_NEOVERSE_N1, V1, V2
 * on host kernels 5.10, 6.1 and 6.18): REVIDR_EL1, cache geometry, CTR_EL0.DIC and IDC; of N1 IESB
 * and EVT; of V2 SEL2, PARange, granules at stage 2, PAN and ECBHB.
 */
import { armFieldValues } from "../tables/arm/lookup.ts";
import { systemRegister } from "../tables/arm/field.ts";
import { writeField } from "../tables/merge-rules.ts";
import type { ArmRegister } from "../cpuid.ts";
import type { OfferedCpu } from "../profile/profile.ts";
import { isWithin, kernelDoes } from "../tables/kernels.ts";

export interface ArmCatalogueModel {
  readonly id: string;
  readonly name: string;
  readonly vendor: "arm";
  readonly launched: number;
  readonly midr: bigint;
  readonly revidr: bigint;
  /** The published guest fingerprints that open bits were placed by. */
  readonly fittedTo: string;
  /** Values by register and field. Later entries win; fields that are not named are zero. */
  readonly fields: Readonly<Record<string, string>>;
  /** The same, where KVM shows the CPU's own from one release on and up to another. */
  readonly shown: readonly Shown[];
  /** CCSIDR_EL1 by CSSELR_EL1, as KVM showed it before it made up caches. */
  readonly ccsidr: readonly bigint[];
}

interface Shown {
  readonly since?: string;
  readonly until?: string;
  readonly register: string;
  readonly fields: string;
}

/** AArch32 at EL0, which N1 and V1 have in common. */
const AARCH32 = {
  ID_PFR0_EL1: "State0=1 State1=3 State2=1 CSV2=1",
  ID_PFR1_EL1: "GenTimer=1 GIC=1",
  ID_PFR2_EL1: "CSV3=1 SSBS=1",
  ID_DFR0_EL1: "CopDbg=8 CopSDbg=8 MMapTrc=1",
  ID_MMFR0_EL1: "VMSA=5 OuterShr=1 ShareLvl=1 AuxReg=2 InnerShr=1",
  ID_MMFR1_EL1: "BPred=4",
  ID_MMFR2_EL1: "UniTLB=6 MemBarr=2 WFIStall=1",
  ID_MMFR3_EL1: "CMaintVA=1 CMaintSW=1 BPMaint=2 MaintBcst=2 PAN=2 CohWalk=1 CMemSz=2",
  ID_MMFR4_EL1: "AC2=1 XNX=1 CnP=1 HPDS=2",
  ID_ISAR0_EL1: "BitCount=1 BitField=1 CmpBranch=1 Debug=1 Divide=2",
  ID_ISAR1_EL1: "Endian=1 Except=1 Except_AR=1 Extend=2 IfThen=1 Immediate=1 Interwork=3 Jazelle=1",
  ID_ISAR2_EL1: "LoadStore=2 MemHint=4 Mult=2 MultS=3 MultU=2 PSR_AR=1 Reversal=2",
  ID_ISAR3_EL1: "Saturate=1 SIMD=3 SVC=1 SynchPrim=2 TabBranch=1 T32Copy=1 TrueNOP=1",
  ID_ISAR4_EL1: "Unpriv=2 WithShifts=4 Writeback=1 Barrier=1",
  ID_ISAR5_EL1: "SEVL=1 AES=2 SHA1=1 SHA2=1 CRC32=1 RDM=1",
  ID_ISAR6_EL1: "DP=1",
  MVFR0_EL1: "SIMDReg=2 FPSP=2 FPDP=2 FPDivide=1 FPSqrt=1 FPRound=1",
  MVFR1_EL1: "FPFtZ=1 FPDNaN=1 SIMDLS=1 SIMDInt=1 SIMDSP=1 SIMDHP=2 FPHP=3 SIMDFMAC=1",
  MVFR2_EL1: "SIMDMisc=3 FPMisc=4",
};

const N1 = {
  ...AARCH32,
  ID_AA64PFR0_EL1: "EL0=2 EL1=1 EL2=1 EL3=1 FP=1 AdvSIMD=1 GIC=1 RAS=1 CSV2=1 CSV3=1",
  ID_AA64PFR1_EL1: "SSBS=2",
  ID_AA64DFR0_EL1: "DebugVer=6 BRPs=5 WRPs=3 CTX_CMPs=1",
  ID_AA64ISAR0_EL1: "AES=2 SHA1=1 SHA2=1 CRC32=1 Atomic=2 RDM=1 DP=1",
  ID_AA64ISAR1_EL1: "DPB=1 LRCPC=1",
  ID_AA64MMFR0_EL1: "PARange=5 ASIDBits=2 BigEnd=1 SNSMem=1 TGran16=1",
  ID_AA64MMFR1_EL1: "HAFDBS=2 VMIDBits=2 VH=1 HPDS=2 LO=1 PAN=2 XNX=1",
  ID_AA64MMFR2_EL1: "CnP=1 UAO=1 EVT=1",
  CTR_EL0: "IminLine=4 L1Ip=3 DminLine=4 ERG=4 CWG=4 IDC=1 DIC=1 RES1=1",
  CLIDR_EL1: "CLIDR=0x82000023",
};

const V1 = {
  ...N1,
  ID_PFR0_EL1: `${AARCH32.ID_PFR0_EL1} DIT=1`,
  ID_PFR1_EL1: "GenTimer=1 GIC=3",
  ID_DFR0_EL1: "CopDbg=9 CopSDbg=9 MMapTrc=1 CopTrc=1",
  ID_ISAR6_EL1: "JSCVT=1 DP=1 FHM=1 BF16=1 I8MM=1",
  ID_AA64PFR0_EL1: "EL0=2 EL1=1 EL2=1 EL3=1 FP=1 AdvSIMD=1 GIC=1 RAS=2 MPAM=1 DIT=1 CSV2=1 CSV3=1",
  ID_AA64DFR0_EL1: `${N1.ID_AA64DFR0_EL1} DoubleLock=15`,
  ID_AA64ISAR0_EL1:
    "AES=2 SHA1=1 SHA2=2 CRC32=1 Atomic=2 RDM=1 SHA3=1 SM3=1 SM4=1 DP=1 FHM=1 TS=1 RNDR=1",
  ID_AA64ISAR1_EL1: "DPB=2 JSCVT=1 FCMA=1 LRCPC=2 BF16=1 DGH=1 I8MM=1",
  ID_AA64MMFR2_EL1: "CnP=1 UAO=1 IESB=1 NV=2 AT=1 IDS=1 FWB=1 BBM=2 EVT=2",
};

/** AArch64 only. What the manual leaves to the implementation is left out. */
const V2 = {
  CTR_EL0: N1.CTR_EL0,
  CLIDR_EL1: N1.CLIDR_EL1,
  ID_AA64PFR0_EL1:
    "EL0=1 EL1=1 EL2=1 EL3=1 FP=1 AdvSIMD=1 GIC=1 RAS=2 SEL2=1 MPAM=1 DIT=1 CSV2=1 CSV3=1",
  ID_AA64PFR1_EL1: "BT=1 SSBS=2",
  ID_AA64DFR0_EL1: V1.ID_AA64DFR0_EL1,
  ID_AA64ISAR0_EL1:
    "AES=2 SHA1=1 SHA2=2 CRC32=1 Atomic=2 RDM=1 SHA3=1 DP=1 FHM=1 TS=2 TLB=2 RNDR=1",
  ID_AA64ISAR1_EL1: "DPB=2 JSCVT=1 FCMA=1 LRCPC=2 FRINTTS=1 SB=1 SPECRES=1 BF16=1 DGH=1 I8MM=1",
  ID_AA64MMFR0_EL1:
    "PARange=5 ASIDBits=2 BigEnd=1 SNSMem=1 TGran16=1 TGran16_2=2 TGran64_2=2 TGran4_2=2",
  ID_AA64MMFR1_EL1: `${N1.ID_AA64MMFR1_EL1} PAN=3`,
  ID_AA64MMFR2_EL1: "CnP=1 UAO=1 IESB=1 NV=2 ST=1 AT=1 IDS=1 FWB=1 TTL=1 BBM=2 EVT=2 E0PD=1",
};

/** Debug up to version 8.0 for some years, the CPU's own before and since. */
function debug(version: number): Shown[] {
  const [register, fields] = ["ID_AA64DFR0_EL1", `DebugVer=${version}`];
  return [
    { until: "5.11", register, fields },
    { since: "6.7", register, fields },
  ];
}

/** A PMU and statistical profiling that no guest had, shown all the same. */
function profiling(spe: number): Shown {
  return { until: "5.11", register: "ID_AA64DFR0_EL1", fields: `PMUVer=4 PMSVer=${spe}` };
}

const PERFMON: Shown = { until: "5.11", register: "ID_DFR0_EL1", fields: "PerfMon=4" };

/** Shown by mistake: the feature was never a guest's. */
const NO_GUEST_FEATURES: readonly Shown[] = [
  { since: "6.13", register: "ID_AA64PFR0_EL1", fields: "MPAM=0" },
  { since: "6.15", register: "ID_AA64MMFR2_EL1", fields: "NV=0" },
];

const GICV41: Shown = { until: "5.11", register: "ID_AA64PFR0_EL1", fields: "GIC=3" };
const CCIDX: Shown = { until: "5.11", register: "ID_AA64MMFR2_EL1", fields: "CCIDX=1" };

function graviton(
  number: number,
  core: string,
  launched: number,
  rest: Pick<ArmCatalogueModel, "midr" | "revidr" | "fields" | "shown" | "ccsidr">,
): ArmCatalogueModel {
  return {
    vendor: "arm",
    id: `graviton${number}`,
    name: `Graviton${number} (Neoverse ${core})`,
    launched,
    fittedTo: `Firecracker's fingerprints of Neoverse ${core}, host kernels 5.10, 6.1 and 6.18`,
    ...rest,
  };
}

export const ARM_MODELS: readonly ArmCatalogueModel[] = [
  graviton(2, "N1", 2019, {
    midr: 0x413f_d0c1n,
    revidr: 0xffn,
    fields: N1,
    shown: [...debug(8), profiling(1), PERFMON],
    ccsidr: [0x701f_e01an, 0x201f_e01an, 0x70ff_e03an],
  }),
  graviton(3, "V1", 2021, {
    midr: 0x411f_d401n,
    revidr: 0x1n,
    fields: V1,
    shown: [
      ...debug(9),
      profiling(2),
      PERFMON,
      GICV41,
      CCIDX,
      { until: "5.11", register: "ID_MMFR4_EL1", fields: "CCIDX=1" },
      ...NO_GUEST_FEATURES,
    ],
    ccsidr: [0x1an, 0x1an, 0x3an],
  }),
  graviton(4, "V2", 2023, {
    midr: 0x410f_d4f1n,
    revidr: 0x17n,
    fields: V2,
    shown: [
      ...debug(9),
      profiling(2),
      GICV41,
      CCIDX,
      { since: "6.1", register: "ID_AA64MMFR1_EL1", fields: "ECBHB=1" },
      ...NO_GUEST_FEATURES,
    ],
    ccsidr: [0x1an, 0x1an, 0x3an],
  }),
];

/**
 * What KVM answers for the firmware, and since which release it has the register.
 * Source: https://docs.kernel.org/virt/kvm/arm/fw-pseudo-registers.html and its history.
 */
const FIRMWARE: readonly (readonly [since: string, register: string, fields: string])[] = [
  ["5.10", "KVM_REG_ARM_PSCI_VERSION", "PSCI_VERSION=0x10000"],
  ["5.18", "KVM_REG_ARM_PSCI_VERSION", "PSCI_VERSION=0x10001"],
  ["6.13", "KVM_REG_ARM_PSCI_VERSION", "PSCI_VERSION=0x10003"],
  ["5.10", "KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1", "WORKAROUND_1=2"],
  ["5.10", "KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2", "WORKAROUND_2=0"],
  // Merged in 5.18, and in stable lines with the branch history fixes.
  ["5.10", "KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3", "WORKAROUND_3=1"],
  ["6.0", "KVM_REG_ARM_STD_BMAP", "STD_BMAP=1"],
  ["6.0", "KVM_REG_ARM_STD_HYP_BMAP", "STD_HYP_BMAP=1"],
  ["6.0", "KVM_REG_ARM_VENDOR_HYP_BMAP", "VENDOR_HYP_BMAP=3"],
  ["6.15", "KVM_REG_ARM_VENDOR_HYP_BMAP_2", "VENDOR_HYP_BMAP_2=0"],
];

/** Made-up caches are all that there can be. */
const CSSELR_COUNT = 14;
/** Lines of 64 bytes, and nothing else. */
const MADE_UP_CCSIDR = 0x2n;
/** Levels as Firecracker 1.15 and later write them from the host's own. */
const MADE_UP_CLIDR = "CLIDR=0x3000123";

const CCSIDR = 0x6020_0000_0011_0000n;

const FEATURE_ID_REGISTERS = [1, 2, 3, 4, 5, 6, 7].flatMap((crm) =>
  [0, 1, 2, 3, 4, 5, 6, 7].map((op2) => systemRegister(3, 0, 0, crm, op2)),
);

function write(all: Map<bigint, bigint>, register: string, text: string): void {
  for (const { field, value } of armFieldValues(register, text)) {
    all.set(field.id, writeField(all.get(field.id) ?? 0n, field, value));
  }
}

function ccsidrs(model: ArmCatalogueModel, kernel: string): readonly bigint[] {
  if (!kernelDoes(kernel, "makes-up-caches")) return model.ccsidr;
  return Array.from({ length: CSSELR_COUNT }, () => MADE_UP_CCSIDR);
}

export function armGuestCpuOf(model: ArmCatalogueModel, kernel: string): OfferedCpu {
  const all = new Map<bigint, bigint>(FEATURE_ID_REGISTERS.map((id) => [id, 0n]));
  write(all, "MIDR_EL1", `MIDR=${model.midr}`);
  write(all, "REVIDR_EL1", `REVIDR=${model.revidr}`);
  write(all, "AIDR_EL1", "AIDR=0");
  write(all, "MPIDR_EL1", "MPIDR=0x80000000");
  for (const [register, text] of Object.entries(model.fields)) write(all, register, text);
  for (const row of model.shown) {
    if (isWithin(row, kernel)) write(all, row.register, row.fields);
  }
  if (kernelDoes(kernel, "makes-up-caches")) write(all, "CLIDR_EL1", MADE_UP_CLIDR);
  for (const [csselr, value] of ccsidrs(model, kernel).entries()) {
    all.set(CCSIDR | BigInt(csselr), value);
  }
  for (const [since, register, text] of FIRMWARE) {
    if (isWithin({ since }, kernel)) write(all, register, text);
  }
  const registers: ArmRegister[] = [...all]
    .map(([id, value]) => ({ id, value }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return { arch: "aarch64", view: "guest", cpuid: [], msrs: [], registers };
}
