/*
 * A reading of /dev/kvm that shares no code with the project: constants from the kernel's header,
 * the supported CPUID, the CPUID that a vCPU answers with after words were cleared, and its TSC.
 * Usage: kvm-reading constants | supported | tsc | cleared LEAF SUBLEAF MASK_EAX … MASK_EDX
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define ENTRIES 256

static struct kvm_cpuid2 *room(void) {
  struct kvm_cpuid2 *list = calloc(1, sizeof *list + ENTRIES * sizeof list->entries[0]);
  list->nent = ENTRIES;
  return list;
}

static void print(const struct kvm_cpuid2 *list, __u32 count) {
  for (__u32 i = 0; i < count; i++) {
    const struct kvm_cpuid_entry2 *e = &list->entries[i];
    printf("%x %x %x %x %x %x %x\n", e->function, e->index, e->flags, e->eax, e->ebx, e->ecx, e->edx);
  }
}

#define SHOW(name) printf(#name " %lx\n", (unsigned long)(name))

#ifndef __aarch64__
/* x86's header leaves it open; this is aarch64's. */
struct kvm_vcpu_init {
  __u32 target;
  __u32 features[7];
};
#endif

static int constants(void) {
  SHOW(KVM_GET_API_VERSION);
  SHOW(KVM_CREATE_VM);
  SHOW(KVM_GET_MSR_INDEX_LIST);
  SHOW(KVM_CHECK_EXTENSION);
  SHOW(KVM_GET_SUPPORTED_CPUID);
  SHOW(KVM_GET_MSR_FEATURE_INDEX_LIST);
  SHOW(KVM_CREATE_VCPU);
  SHOW(KVM_SET_TSS_ADDR);
  SHOW(KVM_CREATE_IRQCHIP);
  SHOW(KVM_ARM_PREFERRED_TARGET);
  SHOW(KVM_GET_MSRS);
  SHOW(KVM_SET_MSRS);
  SHOW(KVM_SET_CPUID2);
  SHOW(KVM_GET_CPUID2);
  SHOW(KVM_GET_TSC_KHZ);
  SHOW(KVM_GET_ONE_REG);
  SHOW(KVM_ARM_VCPU_INIT);
  SHOW(KVM_GET_REG_LIST);
  SHOW(KVM_SET_ONE_REG);
  SHOW(KVM_ARM_VCPU_FINALIZE);
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  if (strcmp(argv[1], "constants") == 0) return constants();
  int kvm = open("/dev/kvm", O_RDWR);
  struct kvm_cpuid2 *list = room();
  if (kvm < 0 || ioctl(kvm, KVM_GET_SUPPORTED_CPUID, list) < 0) return 1;
  if (strcmp(argv[1], "supported") == 0) {
    print(list, list->nent);
    return 0;
  }
  int vm = ioctl(kvm, KVM_CREATE_VM, 0);
  if (vm < 0 || ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) < 0 || ioctl(vm, KVM_CREATE_IRQCHIP) < 0) return 1;
  int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
  if (vcpu < 0) return 1;
  if (strcmp(argv[1], "tsc") == 0) {
    printf("%d\n", ioctl(vcpu, KVM_GET_TSC_KHZ));
    return 0;
  }
  if (argc < 8) return 2;
  __u32 count = list->nent;
  for (__u32 i = 0; i < count; i++) {
    struct kvm_cpuid_entry2 *e = &list->entries[i];
    if (e->function != strtoul(argv[2], NULL, 16) || e->index != strtoul(argv[3], NULL, 16)) continue;
    e->eax &= ~strtoul(argv[4], NULL, 16);
    e->ebx &= ~strtoul(argv[5], NULL, 16);
    e->ecx &= ~strtoul(argv[6], NULL, 16);
    e->edx &= ~strtoul(argv[7], NULL, 16);
  }
  struct kvm_cpuid2 *back = room();
  if (ioctl(vcpu, KVM_SET_CPUID2, list) < 0 || ioctl(vcpu, KVM_GET_CPUID2, back) < 0) return 1;
  print(back, count);
  return 0;
}
