/** The headings that rows stand under, where code needs to know them. */

/** Bits that repeat other bits. */
export const ALIAS_GROUP = "aliases";
/** State components: they follow from the features that use them. */
export const STATE_GROUP = "XSAVE state";

/** What AArch64 guests have for running AArch32 programs. */
export const AARCH32_GROUP = "AArch32";

/** Groups that are not features of their own, however they are enumerated. */
export const UNCOUNTED_GROUPS: ReadonlySet<string> = new Set([ALIAS_GROUP, STATE_GROUP]);

/** Groups in the order in which a person wants to read them. */
export const GROUP_ORDER: readonly string[] = `
  base, instructions, SSE, AVX, AVX-512, AMX, SIMD, SVE, SME, crypto, bit manipulation,
  string operations, cache control, XSAVE, MPX, TSX, CET, x87, pointer authentication, processor,
  memory, debug, AArch32, firmware, paging, interrupts, time, speculation control, immunities,
  paravirtualization, virtualization, memory encryption, enclaves, machine check, tracing,
  resource control, power, caches, topology, frequencies, identity, levels`
  .trim()
  .split(/,\s+/);
