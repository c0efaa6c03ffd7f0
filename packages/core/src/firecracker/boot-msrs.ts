/**
 * MSRs that Firecracker sets for the Linux boot protocol, after and over the template's.
 * Source: `create_boot_msr_entries` in src/vmm/src/arch/x86_64/msr.rs, v1.5.0 to v1.16.1.
 */
import type { CpuType } from "../tables/field.ts";
import type { MsrValue } from "../cpuid.ts";
import type { Behaviour } from "../tables/release-rows.ts";
import { does } from "../tables/releases.ts";

const TSC = 0x10;
const MISC_ENABLE_FAST_STRING = 1n;
/** MTRRs enabled, write-back by default. */
const MTRR_WRITE_BACK = 0x806n;

const ROWS: readonly (MsrValue & { readonly by?: Behaviour })[] = [
  { addr: 0x174, value: 0n },
  { addr: 0x175, value: 0n },
  { addr: 0x176, value: 0n },
  { addr: 0xc000_0081, value: 0n },
  { addr: 0xc000_0083, value: 0n },
  { addr: 0xc000_0102, value: 0n },
  { addr: 0xc000_0084, value: 0n },
  { addr: 0xc000_0082, value: 0n },
  { addr: TSC, value: 0n },
  { addr: 0x1a0, value: MISC_ENABLE_FAST_STRING },
  { addr: 0x2ff, value: MTRR_WRITE_BACK, by: "sets-mtrr-default" },
];

export function bootMsrs(line: string, type: CpuType): MsrValue[] {
  if (type === "aarch64") return [];
  return ROWS.filter(({ by }) => by === undefined || does(line, by))
    .map(({ addr, value }) => ({ addr, value }))
    .toSorted((a, b) => a.addr - b.addr);
}

/** Whether an MSR has moved on by the time it is read back. */
export function runsOn(addr: number | bigint): boolean {
  return addr === TSC;
}
