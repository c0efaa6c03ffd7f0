/**
 * Leaves that answer by subleaf, and the last subleaf that may say anything.
 * Source: Intel SDM vol. 2A and AMD APM vol. 3, CPUID; leaves as Linux KVM marks them significant.
 */
export const SUBLEAVES: readonly (readonly [leaf: number, last: number])[] = [
  [0x4, 8],
  [0x7, 3],
  [0xb, 3],
  [0xd, 63],
  [0xf, 1],
  [0x10, 5],
  [0x12, 4],
  [0x14, 1],
  [0x17, 3],
  [0x18, 8],
  [0x1d, 1],
  [0x1e, 1],
  [0x1f, 5],
  [0x20, 1],
  [0x24, 1],
  [0x8000_001d, 8],
  [0x8000_0026, 4],
];
