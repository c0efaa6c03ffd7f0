/** MSRs that enumerate what a CPU is and is not: the feature MSRs. */
import {
  immunity,
  inMsr,
  kernel,
  remedy,
  topology,
  unusable,
  weakness,
  type MsrField,
} from "../field.ts";
import {
  APM,
  INTEL_ARCH_CAPABILITIES,
  INTEL_VERW,
  KVM_NO_MSR,
  XEN_FEATURESET,
} from "../references.ts";

export const ARCH_CAPABILITIES = 0x10a;

const intel = { reference: INTEL_ARCH_CAPABILITIES, vendors: ["intel"] } as const;
const IMMUNITIES = "immunities";
const SPECULATION = "speculation control";
const of = { of: "ARCH_CAPABILITIES" };
const core = { of: "CORE_CAPABILITIES" };
const united = { ...of, reference: XEN_FEATURESET };
/** KVM gives no guest the MSR that these announce, whatever the host has. */
const withoutMsr = { ...of, reference: KVM_NO_MSR };

const ARCH_CAPABILITIES_FIELDS = inMsr(ARCH_CAPABILITIES, intel, [
  immunity(0, "RDCL_NO", "no rogue data cache load (Meltdown)", IMMUNITIES, {
    ...of,
    aka: ["rdctl-no"],
  }),
  immunity(1, "IBRS_ALL", "enhanced IBRS", IMMUNITIES, of),
  weakness(2, "RSBA", "return predictions from other sources", SPECULATION, united),
  immunity(3, "SKIP_L1DFL_VMENTRY", "no L1D flush on VM entry", IMMUNITIES, of),
  immunity(4, "SSB_NO", "no speculative store bypass", IMMUNITIES, of),
  immunity(5, "MDS_NO", "no microarchitectural data sampling", IMMUNITIES, of),
  immunity(6, "IF_PSCHANGE_MC_NO", "no page size change machine check", IMMUNITIES, {
    ...of,
    aka: ["pschange-mc-no"],
  }),
  kernel(7, "TSX_CTRL", "TSX_CTRL MSR", "TSX", of),
  immunity(8, "TAA_NO", "no TSX asynchronous abort", IMMUNITIES, of),
  kernel(9, "MCU_CONTROL", "MCU_CONTROL MSR", SPECULATION, of),
  unusable(10, "MISC_PACKAGE_CTLS", "UARCH_MISC_CTL MSR", "power", withoutMsr),
  unusable(11, "ENERGY_FILTERING_CTL", "energy filtering control", "power", withoutMsr),
  unusable(12, "DOITM", "data operand independent timing mode", SPECULATION, withoutMsr),
  immunity(13, "SBDR_SSDP_NO", "no shared buffer data read", IMMUNITIES, of),
  immunity(14, "FBSDP_NO", "no fill buffer stale data", IMMUNITIES, of),
  immunity(15, "PSDP_NO", "no primary stale data", IMMUNITIES, of),
  kernel(16, "MCU_ENUMERATION", "MCU_ENUMERATION MSR", SPECULATION, of),
  remedy(17, "FB_CLEAR", "VERW clears fill buffers", SPECULATION, {
    ...of,
    reference: INTEL_VERW,
    // Linux's mmio_select_mitigation: what clears for MDS clears the fill buffers too.
    backedBy: [
      ["SBDR_SSDP_NO", "FBSDP_NO", "PSDP_NO"],
      ["MD_CLEAR", "FLUSH_L1D", "!MDS_NO"],
    ],
  }),
  unusable(18, "FB_CLEAR_CTRL", "FB_CLEAR_DIS control", SPECULATION, withoutMsr),
  weakness(19, "RRSBA", "restricted return predictions from other sources", SPECULATION, united),
  immunity(20, "BHI_NO", "no branch history injection", IMMUNITIES, of),
  kernel(21, "XAPIC_DISABLE_STATUS", "XAPIC_DISABLE_STATUS MSR", "interrupts", of),
  kernel(22, "MCU_EXTENDED_SERVICE", "extended microcode servicing", SPECULATION, of),
  kernel(23, "OVERCLOCKING_STATUS", "OVERCLOCKING_STATUS MSR", "power", of),
  immunity(24, "PBRSB_NO", "no post-barrier return predictions", IMMUNITIES, of),
  unusable(25, "GDS_CTRL", "GDS mitigation control", SPECULATION, withoutMsr),
  immunity(26, "GDS_NO", "no gather data sampling", IMMUNITIES, of),
  immunity(27, "RFDS_NO", "no register file data sampling", IMMUNITIES, of),
  remedy(28, "RFDS_CLEAR", "VERW clears register files", SPECULATION, {
    ...of,
    reference: INTEL_VERW,
    backedBy: [["RFDS_NO"]],
  }),
  kernel(29, "IGN_UMONITOR", "UMONITOR ignore control", "power", of),
  kernel(30, "MON_UMON_MITG", "MONITOR mitigation control", "power", of),
  kernel(32, "PB_OPT_CTRL", "prediction barrier options", SPECULATION, of),
  immunity(62, "ITS_NO", "no indirect target selection", IMMUNITIES, of),
]);

export const CAPABILITY_FIELDS: readonly MsrField[] = [
  ...ARCH_CAPABILITIES_FIELDS,
  ...inMsr(0xce, { reference: "Intel SDM vol. 4, MSR_PLATFORM_INFO; KVM emulates it" }, [
    kernel(31, "CPUID_FAULTING", "CPUID faulting for user mode", "base", { aka: ["cpuid_fault"] }),
  ]),
  ...inMsr(0xcf, { ...intel, reference: "Intel SDM vol. 4, IA32_CORE_CAPABILITIES" }, [
    kernel(2, "FUSA", "functional safety", "machine check", core),
    kernel(3, "RSM_IN_CPL0_ONLY", "RSM in ring 0 only", "machine check", core),
    kernel(5, "SPLIT_LOCK_DETECT", "split lock detection", "tracing", core),
  ]),
  ...inMsr(0x345, { ...intel, reference: "Intel SDM vol. 4, IA32_PERF_CAPABILITIES" }, [
    topology([63, 0], "PERF_CAPABILITIES", "performance monitoring formats", "tracing", {
      of: "PDCM",
    }),
  ]),
  ...inMsr(0x8b, { reference: "Intel SDM vol. 4, IA32_BIOS_SIGN_ID; KVM's own value" }, [
    topology([63, 0], "MICROCODE_REVISION", "microcode revision", "identity"),
  ]),
  ...inMsr(0xc001_1029, { vendors: ["amd"], reference: `${APM}; MSR C001_1029 (DE_CFG)` }, [
    immunity(1, "DE_CFG_LFENCE_SERIALIZE", "LFENCE serializes", IMMUNITIES),
  ]),
];
