/**
 * What QEMU and libvirt call the bits that have rows here.
 *
 * QEMU: `feature_word_info` in target/i386/cpu.c; Proxmox VE takes the same names. libvirt:
 * src/cpu_map/x86_features.xml of 9.0. A test asks both programs' copies on the machine.
 */
import type { Vendor } from "./field.ts";
import type { FamilyModelStepping } from "./models.ts";
import { words } from "./words.ts";

export interface VmmName {
  readonly field: string;
  readonly qemu: string | undefined;
  readonly libvirt: string | undefined;
  /** Whether QEMU 7.2 and libvirt 9.0 (Debian 12) know it. */
  readonly later: boolean;
}

/**
 * In the order of addresses. `NAME`: both call it so, in lower case and with dashes; `NAME=word`: both
 * call it that; `NAME=qemu/libvirt`: each has its own word, or none; `*`: QEMU has it since a release
 * after 7.2, in which everything else was looked up, and libvirt 9.0 has no word for it.
 */
const NAMES = words(`
  SSE3=pni PCLMULQDQ=pclmulqdq/pclmuldq DTES64 MONITOR DS_CPL=ds-cpl/ds_cpl VMX SMX EIST=est TM2
  SSSE3 CNXT_ID=cid FMA CMPXCHG16B=cx16 XTPR PDCM PCID DCA SSE4_1=sse4.1 SSE4_2=sse4.2 X2APIC
  MOVBE POPCNT TSC_DEADLINE AESNI=aes XSAVE AVX F16C RDRAND HYPERVISOR FPU VME DE PSE TSC MSR
  PAE MCE CMPXCHG8B=cx8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 PSN=pn CLFLUSH DS ACPI MMX FXSR SSE
  SSE2 SELF_SNOOP=ss TM PBE ARAT FSGSBASE TSC_ADJUST=tsc-adjust/tsc_adjust SGX BMI1 HLE AVX2
  FDP_EXCPTN_ONLY* SMEP BMI2 ERMS INVPCID RTM RDT_M=/cmt ZERO_FCS_FDS* MPX AVX512F AVX512DQ
  RDSEED ADX SMAP AVX512_IFMA=avx512ifma CLFLUSHOPT CLWB INTEL_PT AVX512PF AVX512ER AVX512CD
  SHA=sha-ni AVX512BW AVX512VL AVX512_VBMI=avx512vbmi UMIP PKU WAITPKG AVX512_VBMI2=avx512vbmi2
  GFNI VAES VPCLMULQDQ AVX512_VNNI=avx512vnni AVX512_BITALG=avx512bitalg AVX512_VPOPCNTDQ LA57
  RDPID BUS_LOCK_DETECT CLDEMOTE MOVDIRI MOVDIR64B SGX_LC=sgxlc PKS AVX512_4VNNIW AVX512_4FMAPS
  FSRM AVX512_VP2INTERSECT MD_CLEAR SERIALIZE TSXLDTRK=tsx-ldtrk PCONFIG=/pconfig ARCH_LBR
  AMX_BF16 AVX512_FP16 AMX_TILE AMX_INT8 SPEC_CTRL STIBP FLUSH_L1D* ARCH_CAPABILITIES
  CORE_CAPABILITIES=core-capability SSBD SHA512* SM3* SM4* AVX_VNNI AVX512_BF16 CMPCCXADD* FZRM*
  FSRS* FSRC* FRED* LKGS* WRMSRNS* AMX_FP16* AVX_IFMA* LAM* AVX_VNNI_INT8* AVX_NE_CONVERT*
  AMX_COMPLEX* AVX_VNNI_INT16* PREFETCHI*=prefetchiti AVX10* PSFD*=intel-psfd IPRED_CTRL*
  RRSBA_CTRL* DDPD_U* BHI_CTRL* MCDT_NO* XSAVEOPT XSAVEC XGETBV1 XSAVES XFD SGX1 SGX2 AVX10_128*
  AVX10_256* AVX10_512* KVM_CLOCKSOURCE=kvmclock/ KVM_NOP_IO_DELAY=kvm-nopiodelay/
  KVM_MMU_OP=kvm-mmu/ KVM_CLOCKSOURCE2=kvmclock/ KVM_ASYNC_PF=kvm-asyncpf/
  KVM_STEAL_TIME=kvm-steal-time/ KVM_PV_EOI=kvm-pv-eoi/ KVM_PV_UNHALT=kvm-pv-unhalt/
  KVM_PV_TLB_FLUSH=kvm-pv-tlb-flush/ KVM_PV_SEND_IPI=kvm-pv-ipi/
  KVM_POLL_CONTROL=kvm-poll-control/ KVM_PV_SCHED_YIELD=kvm-pv-sched-yield/
  KVM_ASYNC_PF_INT=kvm-asyncpf-int/ KVM_MSI_EXT_DEST_ID=kvm-msi-ext-dest-id/
  KVM_CLOCKSOURCE_STABLE=kvmclock-stable-bit/ KVM_HINTS_REALTIME=kvm-hint-dedicated/
  LAHF_LM=lahf-lm/lahf_lm SVM EXTAPIC CR8_LEGACY=cr8legacy LZCNT=abm SSE4A MISALIGNSSE
  PREFETCHW=3dnowprefetch OSVW IBS XOP SKINIT WDT LWP FMA4 TCE NODEID_MSR=nodeid-msr/nodeid_msr
  TBM TOPOEXT PERFCTR_CORE=perfctr-core/perfctr_core PERFCTR_NB=perfctr-nb/perfctr_nb SYSCALL NX
  MMXEXT FFXSR=fxsr-opt/fxsr_opt PDPE1GB RDTSCP LM 3DNOWEXT 3DNOW OVERFLOW_RECOV* SUCCOR*
  INVARIANT_TSC=invtsc CLZERO XSAVEERPTR WBNOINVD AMD_IBPB=ibpb AMD_IBRS=ibrs AMD_STIBP
  STIBP_ALWAYS_ON* AMD_SSBD VIRT_SSBD AMD_SSB_NO=amd-no-ssb AMD_PSFD* SVM_NP=npt
  SVM_LBR_VIRT=lbrv SVM_LOCK SVM_NRIPS=nrip-save SVM_TSC_RATE=tsc-scale
  SVM_VMCB_CLEAN=vmcb-clean SVM_FLUSH_BY_ASID=flushbyasid SVM_DECODE_ASSISTS=decodeassists
  SVM_PAUSE_FILTER=pause-filter SVM_PAUSE_THRESHOLD=pfthreshold SVM_AVIC=avic
  SVM_V_VMSAVE_VMLOAD=v-vmsave-vmload SVM_VGIF=vgif SVM_VNMI*=vnmi
  SVM_VMCB_ADDR_CHECK=svme-addr-chk NO_NESTED_DATA_BP*
  LFENCE_SERIALIZING*=lfence-always-serializing NULL_SELECTOR_CLEARS_BASE*=null-sel-clr-base
  AUTO_IBRS* ERAPS* SBPB* IBPB_BRTYPE* SRSO_NO* SRSO_USER_KERNEL_NO* PERFMON_V2*
  RDCL_NO=rdctl-no IBRS_ALL RSBA SKIP_L1DFL_VMENTRY SSB_NO MDS_NO
  IF_PSCHANGE_MC_NO=pschange-mc-no TSX_CTRL TAA_NO SBDR_SSDP_NO* FBSDP_NO* PSDP_NO* FB_CLEAR*
  PBRSB_NO* GDS_NO* RFDS_NO* RFDS_CLEAR* SPLIT_LOCK_DETECT`);

function vmmName(text: string): VmmName {
  const [name = "", own] = text.split("=");
  const field = name.replace("*", "");
  const later = name !== field;
  const [qemu = "", libvirt = qemu] = (own ?? field.toLowerCase().replaceAll("_", "-")).split("/");
  const isNamed = libvirt !== "" && !later;
  return { field, qemu: qemu || undefined, libvirt: isNamed ? libvirt : undefined, later };
}

export const VMM_NAMES: readonly VmmName[] = NAMES.map(vmmName);

export interface NamedModel {
  readonly name: string;
  readonly vendor: Vendor;
  /** What guests of that model see. */
  readonly shows: FamilyModelStepping;
  /** Family and model of the CPUs that it is named after. */
  readonly of: readonly (readonly [family: number, model: number])[];
}

type ModelRow = readonly [
  name: string,
  vendor: Vendor,
  shows: readonly [family: number, model: number, stepping: number],
  of: NamedModel["of"],
];

const INTEL_6 = (...models: number[]) => models.map((model) => [6, model] as const);

/**
 * Models that both QEMU 7.2 (`builtin_x86_defs` in target/i386/cpu.c) and libvirt 9.0
 * (src/cpu_map) have, without TSX where there is such a one; the newest of a vendor comes last.
 */
const MODEL_ROWS: readonly ModelRow[] = [
  ["SandyBridge-IBRS", "intel", [6, 42, 1], INTEL_6(42, 45)],
  ["IvyBridge-IBRS", "intel", [6, 58, 9], INTEL_6(58, 62)],
  ["Haswell-noTSX-IBRS", "intel", [6, 60, 1], INTEL_6(60, 63, 69)],
  ["Broadwell-noTSX-IBRS", "intel", [6, 61, 2], INTEL_6(61, 71, 79)],
  ["Skylake-Server-noTSX-IBRS", "intel", [6, 85, 4], INTEL_6(85)],
  ["Cascadelake-Server-noTSX", "intel", [6, 85, 6], INTEL_6(85)],
  ["Cooperlake", "intel", [6, 85, 10], INTEL_6(85)],
  // QEMU gives it a client's number.
  ["Icelake-Server-noTSX", "intel", [6, 134, 0], INTEL_6(106, 108)],
  ["EPYC-IBPB", "amd", [23, 1, 2], [[23, 1]]],
  ["EPYC-Rome", "amd", [23, 49, 0], [[23, 49]]],
  ["EPYC-Milan", "amd", [25, 1, 1], [[25, 1]]],
];

export const NAMED_MODELS: readonly NamedModel[] = MODEL_ROWS.map(
  ([name, vendor, [family, model, stepping], of]) => ({
    name,
    vendor,
    shows: { family, model, stepping },
    of,
  }),
);
