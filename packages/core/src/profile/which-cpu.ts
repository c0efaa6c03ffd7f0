/**
 * Which logical CPU happened to answer: numbers that differ from one call to the next on one node.
 * They say nothing of the node, and Firecracker writes its own into a guest.
 */
import { mask32 } from "../bits.ts";
import type { CpuidEntry, Register } from "../cpuid.ts";

interface Place {
  readonly leaf: number;
  readonly register: Register;
  readonly mask: number;
}

const ROWS: readonly Place[] = [
  { leaf: 0x1, register: "ebx", mask: mask32(31, 24) }, // initial APIC id
  { leaf: 0xb, register: "edx", mask: mask32(31, 0) }, // x2APIC id
  { leaf: 0x1f, register: "edx", mask: mask32(31, 0) }, // x2APIC id
  { leaf: 0x8000_001e, register: "eax", mask: mask32(31, 0) }, // extended APIC id
  { leaf: 0x8000_001e, register: "ebx", mask: mask32(7, 0) }, // core id
  { leaf: 0x8000_001e, register: "ecx", mask: mask32(7, 0) }, // node id
];

/** The entries with these numbers as 0, so that two readings of one node are the same. */
export function withoutCpuNumber(cpuid: readonly CpuidEntry[]): CpuidEntry[] {
  return cpuid.map((entry) => {
    const changed = { ...entry };
    for (const { leaf, register, mask } of ROWS) {
      if (leaf === entry.leaf) changed[register] = (changed[register] & ~mask) >>> 0;
    }
    return changed;
  });
}
