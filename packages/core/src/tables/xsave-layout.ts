/** The XSAVE area of a CPU that is known by its features. */
import type { CpuBuilder } from "./cpu-builder.ts";

type Component = readonly [name: string, size: number, offset: number, flags: number];

/**
 * Size, standard offset and flags by component; vendors differ in the offsets of some.
 * Source: Intel SDM vol. 1, 13.4 and 13.5; AMD APM vol. 2, 11.5.
 */
const COMPONENTS: readonly Component[] = [
  ["XCR0_AVX", 256, 576, 0],
  ["XCR0_BNDREGS", 64, 960, 0],
  ["XCR0_BNDCSR", 64, 1024, 0],
  ["XCR0_OPMASK", 64, 0, 0],
  ["XCR0_ZMM_HI256", 512, 0, 0],
  ["XCR0_HI16_ZMM", 1024, 0, 0],
  ["XCR0_PKRU", 8, 0, 0],
  ["XSS_CET_U", 16, 0, 1],
  ["XSS_CET_S", 24, 0, 1],
  ["XCR0_XTILECFG", 64, 2752, 2],
  ["XCR0_XTILEDATA", 8192, 2816, 6],
];

/** Size, offset and flags of a state component on a vendor's CPUs; undefined where not known. */
export function stateLayout(name: string, offsets: Readonly<Record<string, number>>) {
  const found = COMPONENTS.find(([component]) => component === name);
  if (found === undefined) return undefined;
  const [, size, fixed, flags] = found;
  return { size, offset: offsets[name] ?? fixed, flags };
}

/** Leaf 0xD for the state components among `features`; `offsets` are the vendor's. */
export function addXsave(
  builder: CpuBuilder,
  features: readonly string[],
  offsets: Readonly<Record<string, number>>,
): void {
  let end = 576;
  for (const [name, size, fixed, flags] of COMPONENTS) {
    if (!features.includes(name)) continue;
    const offset = offsets[name] ?? fixed;
    builder.set(`${name}_SIZE`, size).set(`${name}_OFFSET`, offset).set(`${name}_FLAGS`, flags);
    // Supervisor state has no place in the standard format.
    if (name.startsWith("XCR0_")) end = Math.max(end, offset + size);
  }
  builder.set("XSAVE_SIZE_MAX", end).set("XSAVE_SIZE_NOW", 576).set("XSAVES_SIZE_NOW", 576);
}
