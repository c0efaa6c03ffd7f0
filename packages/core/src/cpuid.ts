/**
 * The CPU state everything else is written in: CPUID entries and MSRs.
 *
 * Units: CPUID registers are unsigned 32-bit numbers, MSR values are 64-bit bigints.
 * Source: Linux `struct kvm_cpuid_entry2` and `struct kvm_msr_entry`
 * (https://docs.kernel.org/virt/kvm/api.html#kvm-get-supported-cpuid).
 */

export type Arch = "x86_64" | "aarch64";

export const REGISTERS = ["eax", "ebx", "ecx", "edx"] as const;
export type Register = (typeof REGISTERS)[number];

export type Registers = Readonly<Record<Register, number>>;

export function eachRegister<T>(make: (register: Register) => T): Record<Register, T> {
  return { eax: make("eax"), ebx: make("ebx"), ecx: make("ecx"), edx: make("edx") };
}

/** One CPUID entry as KVM keeps it. `flags` are KVM's (1 = the subleaf is significant). */
export interface CpuidEntry extends Registers {
  readonly leaf: number;
  readonly subleaf: number;
  readonly flags: number;
}

export interface MsrValue {
  readonly addr: number;
  readonly value: bigint;
}

/** One aarch64 register under its KVM register id (up to 64 bits), value up to 2048 bits. */
export interface ArmRegister {
  readonly id: bigint;
  readonly value: bigint;
}

/** KVM_CPUID_FLAG_SIGNIFCANT_INDEX (sic): the entry answers for its own subleaf only. */
export const SIGNIFICANT_INDEX = 1;

export function isZero({ eax, ebx, ecx, edx }: Registers): boolean {
  return (eax | ebx | ecx | edx) === 0;
}

/** A key for maps of entries, e.g. `7.0` or `80000008.0` (hexadecimal). */
export function entryKey(leaf: number, subleaf: number): string {
  const number = leaf * SUBLEAVES + subleaf;
  let key = subleaf < SUBLEAVES ? keys.get(number) : undefined;
  if (key === undefined) {
    key = `${leaf.toString(16)}.${subleaf.toString(16)}`;
    if (subleaf < SUBLEAVES && keys.size < MOST_KEYS) keys.set(number, key);
  }
  return key;
}

/** Keys are asked for by the hundred thousand, and a text that is made anew is hashed anew. */
const keys = new Map<number, string>();
const SUBLEAVES = 2 ** 16;
/** A hostile file may name any number of leaves; a CPU has a few hundred. */
const MOST_KEYS = 4096;

export function keyOf(entry: { readonly leaf: number; readonly subleaf: number }): string {
  return entryKey(entry.leaf, entry.subleaf);
}

export function compareEntries(
  a: { readonly leaf: number; readonly subleaf: number },
  b: { readonly leaf: number; readonly subleaf: number },
): number {
  return a.leaf - b.leaf || a.subleaf - b.subleaf;
}

/** Entries by {@link entryKey}. */
export type CpuidMap = ReadonlyMap<string, CpuidEntry>;

export function indexEntries(entries: readonly CpuidEntry[]): Map<string, CpuidEntry> {
  return new Map(entries.map((entry) => [keyOf(entry), entry]));
}
