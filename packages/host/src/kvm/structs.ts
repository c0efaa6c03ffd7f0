/**
 * KVM's structs as bytes: little-endian, a count first and an array behind it.
 * Source: Linux arch/x86/include/uapi/asm/kvm.h and include/uapi/linux/kvm.h.
 */
import type { CpuidEntry, MsrValue } from "@evenkeel/core";

const LITTLE = true;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** `struct kvm_cpuid2`: nent, padding; `struct kvm_cpuid_entry2`: seven words, three of padding. */
const CPUID_HEAD = 8;
const CPUID_ENTRY = 40;

/** An empty list with room for `count` entries. */
export function cpuidBuffer(count: number): Uint8Array {
  const bytes = new Uint8Array(CPUID_HEAD + count * CPUID_ENTRY);
  viewOf(bytes).setUint32(0, count, LITTLE);
  return bytes;
}

export function encodeCpuid(entries: readonly CpuidEntry[]): Uint8Array {
  const bytes = cpuidBuffer(entries.length);
  const view = viewOf(bytes);
  for (const [i, e] of entries.entries()) {
    const words = [e.leaf, e.subleaf, e.flags, e.eax, e.ebx, e.ecx, e.edx];
    const at = CPUID_HEAD + i * CPUID_ENTRY;
    for (const [n, word] of words.entries()) view.setUint32(at + n * 4, word, LITTLE);
  }
  return bytes;
}

/** The number of entries that the head speaks of. */
function countOf(bytes: Uint8Array): number {
  return viewOf(bytes).getUint32(0, LITTLE);
}

export function decodeCpuid(bytes: Uint8Array): CpuidEntry[] {
  const view = viewOf(bytes);
  const room = Math.floor((bytes.length - CPUID_HEAD) / CPUID_ENTRY);
  return Array.from({ length: Math.min(countOf(bytes), room) }, (_, i) => {
    const word = (n: number) => view.getUint32(CPUID_HEAD + i * CPUID_ENTRY + n * 4, LITTLE);
    return {
      leaf: word(0),
      subleaf: word(1),
      flags: word(2),
      eax: word(3),
      ebx: word(4),
      ecx: word(5),
      edx: word(6),
    };
  });
}

/** `struct kvm_msr_list`: nmsrs, indices. */
export function msrListBuffer(count: number): Uint8Array {
  const bytes = new Uint8Array(4 + count * 4);
  viewOf(bytes).setUint32(0, count, LITTLE);
  return bytes;
}

export function decodeMsrList(bytes: Uint8Array): number[] {
  const view = viewOf(bytes);
  const room = bytes.length / 4 - 1;
  return Array.from({ length: Math.min(countOf(bytes), room) }, (_, i) =>
    view.getUint32(4 + i * 4, LITTLE),
  );
}

/** `struct kvm_msrs`: nmsrs, padding; `struct kvm_msr_entry`: index, reserved, data. */
const MSRS_HEAD = 8;
const MSR_ENTRY = 16;

export function encodeMsrs(msrs: readonly MsrValue[]): Uint8Array {
  const bytes = new Uint8Array(MSRS_HEAD + msrs.length * MSR_ENTRY);
  const view = viewOf(bytes);
  view.setUint32(0, msrs.length, LITTLE);
  for (const [i, { addr, value }] of msrs.entries()) {
    view.setUint32(MSRS_HEAD + i * MSR_ENTRY, addr, LITTLE);
    view.setBigUint64(MSRS_HEAD + i * MSR_ENTRY + 8, value, LITTLE);
  }
  return bytes;
}

/** The first `count` entries: KVM says how many it could read. */
export function decodeMsrs(bytes: Uint8Array, count: number): MsrValue[] {
  const view = viewOf(bytes);
  const room = (bytes.length - MSRS_HEAD) / MSR_ENTRY;
  return Array.from({ length: Math.min(count, room) }, (_, i) => ({
    addr: view.getUint32(MSRS_HEAD + i * MSR_ENTRY, LITTLE),
    value: view.getBigUint64(MSRS_HEAD + i * MSR_ENTRY + 8, LITTLE),
  }));
}

/** `struct kvm_reg_list`: n, ids; 64 bits each. */
export function regListBuffer(count: number): Uint8Array {
  const bytes = new Uint8Array(8 + count * 8);
  viewOf(bytes).setBigUint64(0, BigInt(count), LITTLE);
  return bytes;
}

export function decodeRegList(bytes: Uint8Array): bigint[] {
  const view = viewOf(bytes);
  const room = bytes.length / 8 - 1;
  return Array.from({ length: Math.min(Number(view.getBigUint64(0, LITTLE)), room) }, (_, i) =>
    view.getBigUint64(8 + i * 8, LITTLE),
  );
}

/** `struct kvm_one_reg`: id and the address of a buffer. */
export function encodeOneReg(id: bigint, address: bigint): Uint8Array {
  const bytes = new Uint8Array(16);
  viewOf(bytes).setBigUint64(0, id, LITTLE);
  viewOf(bytes).setBigUint64(8, address, LITTLE);
  return bytes;
}

/** Bytes of a register, from bits 55:52 of its id (KVM_REG_SIZE_MASK). */
export function registerSize(id: bigint): number {
  return 2 ** Number((id >> 52n) & 0xfn);
}

export function decodeRegister(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** The same, little-endian, in `size` bytes. */
export function encodeRegister(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(i * 8)) & 0xffn));
}

/** `struct kvm_vcpu_init`: target and seven words of feature bits. */
export function vcpuInitBuffer(): Uint8Array {
  return new Uint8Array(32);
}

/** Changes a word of feature bits in a `struct kvm_vcpu_init`. */
export function changeVcpuFeatures(
  init: Uint8Array,
  index: number,
  change: (word: number) => number,
): void {
  const at = 4 + index * 4;
  const view = viewOf(init);
  view.setUint32(at, change(view.getUint32(at, LITTLE)) >>> 0, LITTLE);
}

/** Sets a feature's bit in a `struct kvm_vcpu_init`. */
export function addVcpuFeature(init: Uint8Array, feature: number): void {
  const at = 4 + Math.floor(feature / 32) * 4;
  const view = viewOf(init);
  view.setUint32(at, (view.getUint32(at, LITTLE) | (1 << (feature % 32))) >>> 0, LITTLE);
}
