/**
 * The guest CPU's features as Linux names them in the `flags` of /proc/cpuinfo.
 *
 * Source: Linux arch/x86/include/asm/cpufeatures.h, in its order, without the words that Linux makes
 * up itself, and that no CPUID bit stands for.
 */
import type { PlanFile } from "../plan/find-class.ts";
import type { Vendor } from "../tables/field.ts";
import { fieldByForeignName } from "../tables/names.ts";
import { words } from "../tables/words.ts";

const LINUX_FLAGS = words(`fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36
  clflush dts acpi mmx fxsr sse sse2 ss tm pbe syscall mp nx mmxext fxsr_opt pdpe1gb rdtscp lm
  3dnowext 3dnow nonstop_tsc aperfmperf pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3
  cid sdbg fma cx16 xtpr pdcm pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes
  xsave avx f16c rdrand hypervisor lahf_lm svm extapic cr8_legacy abm sse4a misalignsse
  3dnowprefetch osvw ibs xop skinit wdt lwp fma4 tce nodeid_msr tbm topoext perfctr_core
  perfctr_nb bpext ptsc perfctr_llc mwaitx cpuid_fault epb cpb ssbd ibrs ibpb stibp fsgsbase
  tsc_adjust sgx bmi1 hle avx2 smep bmi2 erms invpcid rtm cqm mpx rdt_a avx512f avx512dq rdseed adx
  smap avx512ifma clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl
  xsaveopt xsavec xgetbv1 xsaves avx_vnni avx512_bf16 clzero irperf xsaveerptr rdpru wbnoinvd
  amd_ppin brs virt_ssbd cppc dtherm ida arat pln pts hwp hwp_notify hwp_act_window hwp_epp
  hwp_pkg_req hfi avx512vbmi umip pku waitpkg avx512_vbmi2 gfni vaes vpclmulqdq avx512_vnni
  avx512_bitalg tme avx512_vpopcntdq la57 rdpid bus_lock_detect cldemote movdiri movdir64b enqcmd
  sgx_lc overflow_recov succor smca avx512_4vnniw avx512_4fmaps fsrm avx512_vp2intersect serialize
  tsxldtrk pconfig arch_lbr ibt amx_bf16 avx512_fp16 amx_tile amx_int8 flush_l1d
  arch_capabilities`);

/** Words that Linux has for one bit of Intel's, which is two bits of AMD's. */
const INTEL_PAIR: ReadonlySet<string> = new Set(["ibrs", "ibpb"]);

function rowName(vendor: Vendor, flag: string): string | undefined {
  if (vendor === "intel" && INTEL_PAIR.has(flag)) return "SPEC_CTRL";
  return fieldByForeignName(vendor, flag)?.name;
}

/** What Linux calls the features of a plan's guest CPU; none on aarch64. */
export function linuxFlags({ type, guest }: PlanFile): string[] {
  if (type === "aarch64") return [];
  const features = new Set(guest.features);
  return LINUX_FLAGS.filter((flag) => features.has(rowName(type, flag) ?? ""));
}
