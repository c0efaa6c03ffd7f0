/**
 * What KVM shows a guest of a host's CPU, by feature and host kernel: the allow-list of
 * `kvm_set_cpu_caps`, `svm_set_cpu_caps`, `vmx_set_cpu_caps` and `kvm_get_arch_capabilities` as
 * rows. A feature that no row names never reaches a guest.
 *
 * Catalogue models and raw dumps are filtered by the same rows. A row tells 5.10, 6.1, 6.8 and
 * 6.18 apart; between these a release may be off. Where a stable line got a change with a
 * security fix, `since` names that line, because nobody should run it without. Read throughout:
 * cpuid.c of Linux 5.10.13, a late 6.1.y (with the fixes against TSA) and 6.16.1, and
 * `kvm_get_arch_capabilities` of a late 6.x. Rows with other sources, and the releases between,
 * follow what is publicly known, and count only as far as docs/estimates.md measures them.
 */
import { PARAVIRTUAL } from "../tables/models/model.ts";
import { HARDWARE } from "./hardware.ts";
import {
  amd,
  COMMON_C,
  CPUID_C,
  emulated,
  hardware,
  intel,
  SVM_C,
  translated,
  VMX_C,
  X86_C,
  type PassedRow,
} from "./row.ts";

/** TSX is off by default (`tsx=off`) where the CPU lets the kernel switch it off. */
const TSX: readonly PassedRow[] = [
  hardware(
    "HLE RTM TAA_NO",
    "Linux arch/x86/kernel/cpu/tsx.c, tsx_init; x86.c clears TAA_NO where RTM is off",
    intel({ unless: "TSX_CTRL" }),
  ),
];

/** What KVM says whatever the CPU says. */
const EMULATED: readonly PassedRow[] = [
  emulated(PARAVIRTUAL.join(" "), `${CPUID_C}, KVM_CPUID_FEATURES`),
  emulated("X2APIC TSC_ADJUST ARCH_CAPABILITIES", CPUID_C),
  emulated("TSC_DEADLINE HYPERVISOR", "Firecracker sets them: cpuid/normalize.rs"),
  emulated("ARAT", "Linux arch/x86/kvm/cpuid.c: leaf 6 is 4"),
  emulated("UMIP", `${VMX_C}, vmx_umip_emulated`, intel()),
  emulated("NO_SMM_CTL_MSR", `${CPUID_C}: not in 5.10`, amd("6.1")),
  emulated(
    "LFENCE_SERIALIZING",
    `${CPUID_C}: LFENCE_RDTSC, which the kernel sets on these`,
    amd({ families: [0x17, 0x19, 0x1a] }),
  ),
  // Not Zen and Zen+, which are the models left out.
  emulated(
    "NULL_SELECTOR_CLEARS_BASE",
    `${CPUID_C}: no X86_BUG_NULL_SEG on Zen 2`,
    amd({ families: [0x17], exceptModels: [0x01, 0x08, 0x11, 0x18, 0x20] }),
  ),
  emulated(
    "NULL_SELECTOR_CLEARS_BASE",
    `${CPUID_C}: no X86_BUG_NULL_SEG`,
    amd({ families: [0x19, 0x1a] }),
  ),
  emulated(
    "VERW_CLEAR",
    "Linux arch/x86/kernel/cpu/amd.c, tsa_init: Zen 3 and 4 with current microcode",
    amd({ families: [0x19] }),
  ),
  emulated(
    "TSA_SQ_NO TSA_L1_NO",
    "Linux arch/x86/kernel/cpu/amd.c, tsa_init: sets both where Zen is not affected; 5.10 shows " +
      "a word of its own there",
    amd("6.1", { families: [0x17, 0x1a] }),
  ),
  emulated(
    "SBPB",
    "Linux arch/x86/kernel/cpu/amd.c, early_init_amd, with current microcode",
    amd("6.7", { families: [0x19, 0x1a] }),
  ),
  emulated(
    "IBPB_BRTYPE",
    "Linux arch/x86/kernel/cpu/amd.c, early_init_amd, with current microcode",
    amd("6.7", { families: [0x17, 0x19, 0x1a] }),
  ),
  emulated("TSA_SQ_NO TSA_L1_NO", `${CPUID_C} of 6.16 says so whatever the CPU`, amd("6.16")),
];

/** Each vendor's speculation controls are shown in the other vendor's words too. */
const TRANSLATED: readonly PassedRow[] = [
  hardware("SPEC_CTRL STIBP SSBD", CPUID_C, intel()),
  translated("AMD_IBPB AMD_IBRS", "SPEC_CTRL", CPUID_C, amd({ until: "6.13" })),
  translated(
    "AMD_IBPB AMD_IBRS IBPB_RET",
    "SPEC_CTRL",
    `${CPUID_C}: Intel's bit promises more than IBPB alone does`,
    amd("6.13"),
  ),
  translated("AMD_STIBP", "STIBP", CPUID_C, amd()),
  translated("AMD_SSBD", "SSBD", CPUID_C, amd()),
  translated("AMD_SSBD", "VIRT_SSBD", SVM_C, amd()),
  translated("SPEC_CTRL", "AMD_IBPB AMD_IBRS", CPUID_C, intel()),
  translated("STIBP", "AMD_STIBP", CPUID_C, intel()),
  translated("SSBD", "AMD_SSBD", CPUID_C, intel()),
  translated(
    "SPEC_CTRL PBRSB_NO",
    "IBPB_RET",
    `${CPUID_C}: without X86_BUG_EIBRS_PBRSB`,
    intel("6.13"),
  ),
  translated(
    "SPEC_CTRL",
    "IBPB_RET",
    `${CPUID_C}: without X86_BUG_EIBRS_PBRSB`,
    intel("6.13", { unless: "IBRS_ALL" }),
  ),
];

/** Atoms from Goldmont to Gracemont, and the hybrid parts that have such cores. */
const RFDS_MODELS = [0x5c, 0x5f, 0x7a, 0x86, 0x96, 0x9c, 0x97, 0x9a, 0xb7, 0xba, 0xbf, 0xbe];

/** IA32_ARCH_CAPABILITIES (10AH). */
const CAPABILITIES: readonly PassedRow[] = [
  hardware(
    `RDCL_NO IBRS_ALL RSBA SKIP_L1DFL_VMENTRY SSB_NO MDS_NO IF_PSCHANGE_MC_NO TSX_CTRL
      SBDR_SSDP_NO FBSDP_NO PSDP_NO FB_CLEAR RRSBA BHI_NO PBRSB_NO GDS_NO RFDS_NO RFDS_CLEAR
      ITS_NO`,
    "Linux arch/x86/kvm/x86.c, KVM_SUPPORTED_ARCH_CAP",
    intel(),
  ),
  emulated(
    "SKIP_L1DFL_VMENTRY IF_PSCHANGE_MC_NO GDS_NO",
    `${X86_C}, with current microcode`,
    intel(),
  ),
  emulated(
    "RFDS_NO",
    `${X86_C}; ${COMMON_C}`,
    intel({ exceptModels: RFDS_MODELS, unless: "RFDS_CLEAR" }),
  ),
  translated(
    "BHI_CTRL",
    "ITS_NO",
    `${X86_C}; ${COMMON_C}: no CPU with BHI_CTRL is affected`,
    intel(),
  ),
  emulated(
    "ITS_NO",
    `${X86_C}; ${COMMON_C}: of this model only steppings from 6 on are affected`,
    intel({ models: [0x55], steppingsTo: 5 }),
  ),
];

export const PASSED: readonly PassedRow[] = [
  ...HARDWARE,
  ...TSX,
  ...EMULATED,
  ...TRANSLATED,
  ...CAPABILITIES,
];
