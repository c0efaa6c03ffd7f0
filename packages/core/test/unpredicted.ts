/**
 * What real Firecracker shows a guest and no contract predicts, with the reason. Found by comparing
 * contracts with the dumps of cpu-template-helper 1.12.1 and 1.16.1 on emulated AMD nodes.
 */
import { REGISTERS, type Register } from "../src/cpuid.ts";

interface Unpredicted {
  readonly leaf: number;
  readonly subleaf: number;
  readonly registers: readonly Register[];
  readonly reason: string;
}

export const UNPREDICTED: readonly Unpredicted[] = [
  {
    leaf: 0xd,
    subleaf: 0,
    registers: ["ebx"],
    reason: "the XSAVE area's size for the XCR0 of the moment, which the guest sets",
  },
  {
    leaf: 0x8000_0005,
    subleaf: 0,
    registers: REGISTERS,
    reason: "L1 caches and TLBs as the host's CPU reports them, which KVM does not",
  },
];
