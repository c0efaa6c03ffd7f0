/** Where the facts in the tables can be looked up. */
export const SDM = "Intel SDM vol. 2A, CPUID";
export const APM = "AMD APM vol. 3, appendix E";
export const KVM_PV = "https://docs.kernel.org/virt/kvm/x86/cpuid.html";
export const SDM_XSAVE = "Intel SDM vol. 1, chapter 13";
export const INTEL_ARCH_CAPABILITIES =
  "https://www.intel.com/content/www/us/en/developer/articles/technical/software-security-guidance/technical-documentation/cpuid-enumeration-and-architectural-msrs.html";
export const FPU_LEFTOVERS = "https://git.kernel.org/torvalds/c/45016721de3c";
export const XEN_FEATURESET = "Xen public/arch-x86/cpufeatureset.h (annotation `|`)";
