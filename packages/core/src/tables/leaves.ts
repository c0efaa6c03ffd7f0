/** CPUID leaves that answer by subleaf. */

/**
 * Leaves whose entries KVM marks with KVM_CPUID_FLAG_SIGNIFCANT_INDEX.
 * Source: `cpuid_function_is_indexed` in Linux arch/x86/kvm/cpuid.c, 5.10 to 6.18.
 */
export const INDEXED_LEAVES: ReadonlySet<number> = new Set([
  0x4, 0x7, 0xb, 0xd, 0xf, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1d, 0x1e, 0x1f, 0x24, 0x8000_001d,
]);

/** Leaves that KVM answers without subleaves although the manuals give them some. */
const ZEROED_LEAVES = [0x1b, 0x20, 0x23, 0x8000_0020, 0x8000_0026];

/** Leaves whose address is written with ECX, as the manuals do. */
export const LEAVES_WITH_SUBLEAVES: ReadonlySet<number> = new Set([
  ...INDEXED_LEAVES,
  ...ZEROED_LEAVES,
]);
