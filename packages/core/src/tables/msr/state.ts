/** MSRs that guests write: saved and restored with a vCPU, never part of what a CPU offers. */
import { inMsr, state, type MsrField } from "../field.ts";
import { words } from "../words.ts";

/** The group, the feature that they belong to, if any; then addresses with names. */
const ROWS = `
  time: 10=TSC_VALUE
  paravirtualization (KVM_CLOCKSOURCE): 11=KVM_WALL_CLOCK 12=KVM_SYSTEM_TIME
  machine check: 34=SMI_COUNT
  virtualization: 3a=FEATURE_CONTROL
  time (TSC_ADJUST): 3b=TSC_ADJUST_VALUE
  speculation control: 48=SPEC_CTRL_VALUE
  machine check: 9e=SMBASE
  power (WAITPKG): e1=UMWAIT_CONTROL
  TSX (TSX_CTRL): 122=TSX_CTRL_VALUE
  speculation control (SRBDS_CTRL): 123=MCU_OPT_CTRL
  base (CPUID_FAULTING): 140=MISC_FEATURES_ENABLES
  base: 174=SYSENTER_CS 175=SYSENTER_ESP 176=SYSENTER_EIP 1a0=MISC_ENABLE
  XSAVE (XFD): 1c4=XFD_VALUE 1c5=XFD_ERR
  tracing: 1d9=DEBUGCTL 1db=LASTBRANCHFROMIP 1dc=LASTBRANCHTOIP 1dd=LASTINTFROMIP
  tracing: 1de=LASTINTTOIP
  power: 1fc=POWER_CTL
  paging: 277=PAT_VALUE
  CET (CET_SS): 6a0=U_CET 6a2=S_CET 6a4=PL0_SSP 6a5=PL1_SSP 6a6=PL2_SSP
  CET (CET_SS): 6a7=PL3_SSP 6a8=INTERRUPT_SSP_TABLE
  MPX (MPX): d90=BNDCFGS
  XSAVE (XSAVES): da0=XSS
  paravirtualization (KVM_CLOCKSOURCE2): 4b564d00=KVM_WALL_CLOCK_NEW
  paravirtualization (KVM_CLOCKSOURCE2): 4b564d01=KVM_SYSTEM_TIME_NEW
  paravirtualization (KVM_ASYNC_PF): 4b564d02=KVM_ASYNC_PF_EN
  paravirtualization (KVM_STEAL_TIME): 4b564d03=KVM_STEAL_TIME_ADDRESS
  paravirtualization (KVM_PV_EOI): 4b564d04=KVM_PV_EOI_EN
  paravirtualization (KVM_POLL_CONTROL): 4b564d05=KVM_POLL_CONTROL_VALUE
  paravirtualization (KVM_ASYNC_PF_INT): 4b564d06=KVM_ASYNC_PF_INT_VECTOR
  paravirtualization (KVM_ASYNC_PF_INT): 4b564d07=KVM_ASYNC_PF_ACK
  paravirtualization (KVM_MIGRATION_CONTROL): 4b564d08=KVM_MIGRATION_CONTROL_VALUE
  base: c0000080=EFER c0000081=STAR c0000082=LSTAR c0000083=CSTAR
  base: c0000084=SYSCALL_MASK c0000102=KERNEL_GS_BASE
  time (RDTSCP): c0000103=TSC_AUX
  time (SVM): c0000104=TSC_RATIO
  tracing (PERFMON_V2): c0000300=PERF_GLOBAL_STATUS c0000301=PERF_GLOBAL_CTL
  tracing (PERFMON_V2): c0000302=PERF_GLOBAL_STATUS_CLEAR
  tracing (PERFMON_V2): c0000303=PERF_GLOBAL_STATUS_SET
  base: c0010015=HWCR
  virtualization (SVM): c0010117=VM_HSAVE_PA
  speculation control (VIRT_SSBD): c001011f=VIRT_SPEC_CTRL`;

const reference = "Intel SDM vol. 4; AMD APM vol. 2; https://docs.kernel.org/virt/kvm/x86/msr.html";

function fieldsOf(line: string): MsrField[] {
  const [, group = "", of, rows = ""] = /^ *([^(:]+?)(?: \((\w+)\))?: (.*)$/.exec(line) ?? [];
  const options = of === undefined ? {} : { of };
  return words(rows).flatMap((word) => {
    const [addr = "", name = ""] = word.split("=");
    const row = state([63, 0], name, name.replaceAll("_", " "), group, options);
    return inMsr(Number.parseInt(addr, 16), { reference }, [row]);
  });
}

export const STATE_FIELDS: readonly MsrField[] = ROWS.trim().split("\n").flatMap(fieldsOf);
