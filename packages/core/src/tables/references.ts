/** Where the facts in the tables can be looked up. */
export const SDM = "Intel SDM vol. 2A, CPUID";
export const APM = "AMD APM vol. 3, appendix E";
export const KVM_PV = "https://docs.kernel.org/virt/kvm/x86/cpuid.html";
export const SDM_XSAVE = "Intel SDM vol. 1, chapter 13";
export const INTEL_ARCH_CAPABILITIES =
  "https://www.intel.com/content/www/us/en/developer/articles/technical/software-security-guidance/technical-documentation/cpuid-enumeration-and-architectural-msrs.html";
export const FPU_LEFTOVERS = "https://git.kernel.org/torvalds/c/45016721de3c";
export const XEN_FEATURESET = "Xen public/arch-x86/cpufeatureset.h (annotation `|`)";
export const INTEL_VERW =
  "https://docs.kernel.org/admin-guide/hw-vuln/processor_mmio_stale_data.html and reg-file-data-sampling.html; Intel, Microarchitectural Data Sampling";
export const AMD_TSA =
  "AMD, Technical Guidance for Mitigating Transient Scheduler Attacks, 2025-07";
export const KVM_NO_MSR =
  "Intel SDM vol. 4; Linux arch/x86/kvm/x86.c (KVM_SUPPORTED_ARCH_CAP) and arch/x86/kernel/cpu/bugs.c (gds_select_mitigation)";
/** A guest with the bit writes MSR 48H and 49H, which KVM lets it where AMD's own bits stand. */
export const KVM_SPEC_CTRL =
  "Linux arch/x86/kvm/cpuid.h (guest_has_spec_ctrl_msr, guest_has_pred_cmd_msr) and cpuid.c";
export const LINUX_SEV_GUEST = "Linux arch/x86/boot/startup/sme.c (sme_enable)";
export const LINUX_WORD_21 = "Linux arch/x86/include/asm/cpufeatures.h, word 21, bits 13 and 14";
