/**
 * The topology that Firecracker writes into CPUID for one vCPU.
 * Source: src/vmm/src/cpu_config/x86_64/cpuid/{normalize,intel/normalize,amd/normalize}.rs, v1.5.0
 * to v1.16.0.
 */
import { extract32, insert32 } from "../bits.ts";
import type { CpuidEntry, Registers } from "../cpuid.ts";
import { does } from "../tables/releases.ts";

export interface BootTopology {
  readonly vcpus: number;
  readonly smt: boolean;
  /** Which vCPU, from 0. */
  readonly index: number;
}

export const ONE_VCPU: BootTopology = { vcpus: 1, smt: false, index: 0 };

/** CLFLUSH line size in units of 8 bytes. */
const CACHE_LINE = 8;
const AMD_APIC_ID_SIZE = 7;

function threadsPerCore({ vcpus, smt }: BootTopology): number {
  return vcpus > 1 && smt ? 2 : 1;
}

function nextPowerOfTwo(n: number): number {
  return 2 ** Math.ceil(Math.log2(n));
}

/** Bits to shift an APIC id by to get past all vCPUs: the log of 32, or 7. */
export function packageShift(line: string): number {
  return does(line, "short-apic-ids") ? 5 : 7;
}

function leaf1(entry: CpuidEntry, boot: BootTopology): Partial<Registers> {
  let ebx = insert32(entry.ebx, 15, 8, CACHE_LINE);
  ebx = insert32(ebx, 23, 16, nextPowerOfTwo(boot.vcpus));
  ebx = insert32(ebx, 31, 24, boot.index);
  return { ebx, edx: insert32(entry.edx, 28, 28, boot.vcpus > 1 ? 1 : 0) };
}

function extendedTopology(entry: CpuidEntry, boot: BootTopology, line: string): Partial<Registers> {
  const threads = threadsPerCore(boot);
  const edx = boot.index;
  if (entry.subleaf === 0) return { eax: threads - 1, ebx: threads, ecx: 0x100, edx };
  if (entry.subleaf === 1) {
    return { eax: packageShift(line), ebx: boot.vcpus, ecx: 0x201, edx };
  }
  return { eax: 0, ebx: 0, ecx: entry.subleaf, edx };
}

/** How many vCPUs share a cache: those of a core for levels 1 and 2, all for level 3. */
function sharing(eax: number, boot: BootTopology): number | undefined {
  const level = extract32(eax, 7, 5);
  if (level === 1 || level === 2) return threadsPerCore(boot);
  return level === 3 ? boot.vcpus : undefined;
}

function intelCache(entry: CpuidEntry, boot: BootTopology): Partial<Registers> {
  const { eax, ebx, ecx, edx } = entry;
  if ((eax | ebx | ecx | edx) === 0) return {};
  const sharers = sharing(eax, boot);
  const shared = sharers === undefined ? eax : insert32(eax, 25, 14, sharers - 1);
  const cores = Math.floor(boot.vcpus / threadsPerCore(boot));
  return { eax: insert32(shared, 31, 26, cores - 1) };
}

function amdCache(entry: CpuidEntry, boot: BootTopology): Partial<Registers> {
  const sharers = sharing(entry.eax, boot);
  return sharers === undefined ? {} : { eax: insert32(entry.eax, 25, 14, sharers - 1) };
}

function amdApicId(entry: CpuidEntry, boot: BootTopology): Partial<Registers> {
  const threads = threadsPerCore(boot);
  const core = Math.floor(boot.index / threads);
  return {
    eax: boot.index,
    ebx: insert32(insert32(entry.ebx, 7, 0, core), 15, 8, threads - 1),
    ecx: insert32(entry.ecx, 10, 0, 0),
  };
}

function amdThreads(entry: CpuidEntry, boot: BootTopology): Partial<Registers> {
  const ecx = insert32(entry.ecx, 7, 0, boot.vcpus - 1);
  return { ecx: insert32(ecx, 15, 12, AMD_APIC_ID_SIZE) };
}

/** The registers of an entry whose topology Firecracker writes, complete. */
export function writeTopology(
  entry: CpuidEntry,
  boot: BootTopology,
  line: string,
): Partial<Registers> {
  switch (entry.leaf) {
    case 0x1:
      return leaf1(entry, boot);
    case 0x4:
      return intelCache(entry, boot);
    case 0xb:
    case 0x1f:
      return extendedTopology(entry, boot, line);
    case 0x8000_0008:
      return amdThreads(entry, boot);
    case 0x8000_001d:
      return amdCache(entry, boot);
    case 0x8000_001e:
      return amdApicId(entry, boot);
    default:
      return {};
  }
}
