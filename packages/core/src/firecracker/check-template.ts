/**
 * What is wrong with a template that Firecracker accepts: bits it will overwrite, and flags that
 * do not fit the leaf. (What it would refuse, and duplicates and unknown keys, are errors of
 * {@link parseTemplate} already. The language itself has not changed from 1.5 to 1.16.)
 */
import { SIGNIFICANT_INDEX } from "../cpuid.ts";
import { leafAddress, registerAddress } from "../format/address.ts";
import { alwaysCleared, alwaysOverwritten } from "./normalization.ts";
import { formatLines } from "./versions.ts";
import type { Vendor } from "../tables/field.ts";
import { mask32 } from "../bits.ts";
import { cpuidFields } from "../tables/lookup.ts";
import { INDEXED_LEAVES } from "../tables/leaves.ts";
import type { CpuidModifier, CpuTemplate, RegisterModifier } from "../template/template.ts";

export interface TemplateFinding {
  readonly path: string;
  readonly address: string;
  readonly message: string;
  /** Whether guests would see another CPU than anybody meant. */
  readonly harmful: boolean;
}

/** The vendor a template is for: only AMD has leaves above 0x80000008. */
export function templateVendor(template: CpuTemplate): Vendor {
  return template.cpuidModifiers.some(({ leaf }) => leaf > 0x8000_0008) ? "amd" : "intel";
}

function checkFlags({ leaf, subleaf, flags }: CpuidModifier, path: string): TemplateFinding[] {
  const indexed = (flags & SIGNIFICANT_INDEX) !== 0;
  if (indexed === INDEXED_LEAVES.has(leaf)) return [];
  const message = indexed
    ? "flags say that the subleaf matters, but this leaf has none"
    : "flags say that the subleaf does not matter: this entry would answer for every subleaf";
  // KVM takes the first entry that matches, so such an entry hides the leaf's other subleaves.
  return [
    { path: `${path}.flags`, address: leafAddress(leaf, subleaf), message, harmful: !indexed },
  ];
}

function lostNames(vendor: Vendor, entry: CpuidModifier, m: RegisterModifier, lost: number) {
  return cpuidFields(vendor, entry.leaf, entry.subleaf, m.register)
    .filter(({ hi, lo }) => (mask32(hi, lo) & lost) !== 0)
    .map(({ name }) => name);
}

function checkOverwritten(
  entry: CpuidModifier,
  path: string,
  vendor: Vendor,
  lines: readonly string[],
): TemplateFinding[] {
  const { leaf, subleaf } = entry;
  return entry.modifiers.flatMap((m, i) => {
    const agreed = alwaysCleared(vendor, lines, leaf, subleaf, m.register) & ~m.value;
    const overwritten = alwaysOverwritten(vendor, lines, leaf, subleaf, m.register);
    const lost = (m.mask & overwritten & ~agreed) >>> 0;
    if (lost === 0) return [];
    const names = lostNames(vendor, entry, m, lost).join(", ");
    return [
      {
        path: `${path}.modifiers[${i}]`,
        address: registerAddress(leaf, subleaf, m.register),
        message: `Firecracker ${formatLines(lines)} overwrites ${names}, whatever is written here`,
        harmful: false,
      },
    ];
  });
}

/** `lines`: the releases the template is for; what only some of them overwrite is not lost. */
export function checkTemplate(
  template: CpuTemplate,
  lines: readonly string[],
  vendor: Vendor = templateVendor(template),
): TemplateFinding[] {
  return template.cpuidModifiers.flatMap((entry, i) => {
    const path = `cpuid_modifiers[${i}]`;
    return [...checkFlags(entry, path), ...checkOverwritten(entry, path, vendor, lines)];
  });
}
