/** Leaves 0x40000000 and 0x40000001: what KVM itself offers a guest. */
import {
  hint,
  inEntry,
  inRegister,
  kernel,
  kernelHint,
  minimum,
  ownedByKvm,
  type CpuidField,
} from "../field.ts";
import { KVM_PV } from "../references.ts";

const ref = { reference: KVM_PV };
const PV = "paravirtualization";

export const PARAVIRTUAL_FIELDS: readonly CpuidField[] = [
  ...inEntry(0x4000_0000, 0, ref, {
    eax: [minimum([31, 0], "MAX_HYPERVISOR_LEAF", "highest hypervisor leaf", "levels")],
  }),
  ...(["ebx", "ecx", "edx"] as const).flatMap((register) =>
    inRegister(0x4000_0000, 0, register, ref, [
      ownedByKvm([31, 0], `HYPERVISOR_SIGNATURE_${register}`, "hypervisor signature", PV),
    ]),
  ),
  ...inEntry(0x4000_0001, 0, ref, {
    eax: [
      kernel(0, "KVM_CLOCKSOURCE", "kvmclock, old MSRs", PV),
      kernelHint(1, "KVM_NOP_IO_DELAY", "no I/O delays needed", PV),
      kernel(2, "KVM_MMU_OP", "deprecated MMU operations", PV),
      kernel(3, "KVM_CLOCKSOURCE2", "kvmclock", PV),
      kernel(4, "KVM_ASYNC_PF", "asynchronous page faults", PV),
      kernel(5, "KVM_STEAL_TIME", "steal time", PV),
      kernel(6, "KVM_PV_EOI", "paravirtual end of interrupt", PV),
      kernel(7, "KVM_PV_UNHALT", "paravirtual spinlocks", PV),
      kernel(9, "KVM_PV_TLB_FLUSH", "paravirtual TLB flush", PV),
      kernel(10, "KVM_ASYNC_PF_VMEXIT", "page faults as VM exits", PV),
      kernel(11, "KVM_PV_SEND_IPI", "paravirtual IPIs", PV),
      kernel(12, "KVM_POLL_CONTROL", "host halt polling control", PV),
      // A host without it fails the hypercall, and the guest goes on.
      kernelHint(13, "KVM_PV_SCHED_YIELD", "paravirtual yield", PV),
      kernel(14, "KVM_ASYNC_PF_INT", "page faults by interrupt", PV),
      kernel(15, "KVM_MSI_EXT_DEST_ID", "extended MSI destinations", PV),
      kernel(16, "KVM_HC_MAP_GPA_RANGE", "map GPA range hypercall", PV),
      kernel(17, "KVM_MIGRATION_CONTROL", "migration control MSR", PV),
      kernel(24, "KVM_CLOCKSOURCE_STABLE", "stable kvmclock", PV),
    ],
    edx: [hint(0, "KVM_HINTS_REALTIME", "vCPUs are never preempted", PV)],
  }),
];
