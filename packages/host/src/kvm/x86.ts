/** What x86's KVM is asked: CPUID and MSRs, of the system and of a vCPU. */
import { withoutCpuNumber, type CpuidEntry, type MsrValue } from "@evenkeel/core";
import { call, callForList, withVcpu, withVm, type KvmHandle } from "./device.ts";
import {
  KVM_CREATE_IRQCHIP,
  KVM_GET_CPUID2,
  KVM_GET_MSR_FEATURE_INDEX_LIST,
  KVM_GET_MSR_INDEX_LIST,
  KVM_GET_MSRS,
  KVM_GET_SUPPORTED_CPUID,
  KVM_GET_TSC_KHZ,
  KVM_SET_CPUID2,
  KVM_SET_MSRS,
  KVM_SET_TSS_ADDR,
} from "./requests.ts";
import {
  cpuidBuffer,
  decodeCpuid,
  decodeMsrList,
  decodeMsrs,
  encodeCpuid,
  encodeMsrs,
  msrListBuffer,
} from "./structs.ts";

/** Firecracker asks for as many; most nodes have fewer. */
const CPUID_ENTRIES = 80;
const MSRS = 128;

/**
 * Sorted, without duplicates: as in Firecracker, the last of two entries wins. Without the number
 * of the CPU that this process ran on, which KVM passes through.
 */
export function supportedCpuid(kvm: KvmHandle): CpuidEntry[] {
  const bytes = callForList(kvm, KVM_GET_SUPPORTED_CPUID, CPUID_ENTRIES, cpuidBuffer);
  const places = new Map(decodeCpuid(bytes).map((e) => [`${e.leaf}.${e.subleaf}`, e]));
  return withoutCpuNumber([...places.values()]).toSorted(
    (a, b) => a.leaf - b.leaf || a.subleaf - b.subleaf,
  );
}

function ascending(addresses: readonly number[]): number[] {
  return [...new Set(addresses)].toSorted((a, b) => a - b);
}

/** MSRs that this KVM lets a VMM save and restore; sorted. */
export function listedMsrs(kvm: KvmHandle): number[] {
  return ascending(decodeMsrList(callForList(kvm, KVM_GET_MSR_INDEX_LIST, MSRS, msrListBuffer)));
}

/** MSRs that describe what the host's KVM can offer; sorted. */
export function featureMsrs(kvm: KvmHandle): number[] {
  return ascending(
    decodeMsrList(callForList(kvm, KVM_GET_MSR_FEATURE_INDEX_LIST, MSRS, msrListBuffer)),
  );
}

export interface MsrReading {
  readonly msrs: readonly MsrValue[];
  readonly unreadable: readonly number[];
}

/**
 * Reads MSRs, of the system (feature MSRs) or of a vCPU. KVM stops at the first one that it cannot
 * read; that one is noted, and the rest are requested again.
 */
export function readMsrs(handle: KvmHandle, addresses: readonly number[]): MsrReading {
  const msrs: MsrValue[] = [];
  const unreadable: number[] = [];
  for (let next = 0; next < addresses.length;) {
    const part = addresses.slice(next, next + MSRS);
    const bytes = encodeMsrs(part.map((addr) => ({ addr, value: 0n })));
    const count = call(handle, KVM_GET_MSRS, bytes);
    msrs.push(...decodeMsrs(bytes, count));
    const failed = part[count];
    if (failed !== undefined) unreadable.push(failed);
    next += failed === undefined ? part.length : count + 1;
  }
  return { msrs, unreadable };
}

/** Sets MSRs in order; returns those that KVM did not accept. */
export function writeMsrs(vcpu: KvmHandle, msrs: readonly MsrValue[]): number[] {
  const refused: number[] = [];
  for (let next = 0; next < msrs.length;) {
    const part = msrs.slice(next, next + MSRS);
    const count = call(vcpu, KVM_SET_MSRS, encodeMsrs(part));
    const failed = part[count];
    if (failed !== undefined) refused.push(failed.addr);
    next += failed === undefined ? part.length : count + 1;
  }
  return refused;
}

export function setCpuid(vcpu: KvmHandle, entries: readonly CpuidEntry[]): void {
  call(vcpu, KVM_SET_CPUID2, encodeCpuid(entries));
}

/**
 * What a vCPU answers after `count` entries were set. Kernels before 6.3 do not say how many they
 * wrote, so the room is exactly what was set.
 */
export function getCpuid(vcpu: KvmHandle, count: number): CpuidEntry[] {
  return decodeCpuid(callForList(vcpu, KVM_GET_CPUID2, count, cpuidBuffer));
}

export function tscKhz(vcpu: KvmHandle): number {
  return call(vcpu, KVM_GET_TSC_KHZ);
}

/** Where Firecracker puts the task state segment that Intel's KVM needs for real mode. */
const TSS_ADDRESS = 0xfffb_d000;

/** A vCPU as Firecracker creates it: in a VM of its own, with KVM's interrupt controller. */
export function withX86Vcpu<T>(kvm: KvmHandle, use: (vcpu: KvmHandle) => T): T {
  return withVm(kvm, (vm) => {
    call(vm, KVM_SET_TSS_ADDR, TSS_ADDRESS);
    call(vm, KVM_CREATE_IRQCHIP);
    return withVcpu(vm, 0, use);
  });
}

/** Source: Linux arch/x86/include/uapi/asm/prctl.h. */
const ARCH_GET_XCOMP_SUPP = 0x1021;
const ARCH_REQ_XCOMP_GUEST_PERM = 0x1025;
/** Number of AMX's state component with the tiles. */
const XTILEDATA = 18;

/**
 * Requests guests' AMX state, as Firecracker does from 1.12 on: without it, KVM does not report
 * AMX, or, before Linux 6.4, only half of it. Does nothing if the CPU or the kernel has no such
 * state.
 */
export function requestDynamicState({ libc }: KvmHandle): void {
  const supported = new Uint8Array(8);
  if (libc.archPrctl(ARCH_GET_XCOMP_SUPP, supported).result < 0) return;
  const hasTiles = ((supported[XTILEDATA >> 3] ?? 0) >> (XTILEDATA & 7)) & 1;
  if (hasTiles) libc.archPrctl(ARCH_REQ_XCOMP_GUEST_PERM, XTILEDATA);
}
