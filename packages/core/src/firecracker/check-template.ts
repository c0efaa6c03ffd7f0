/**
 * What is wrong with a template that Firecracker accepts: bits it will overwrite, and flags that
 * do not fit the leaf. (What it would refuse, and duplicates and unknown keys, are errors of
 * {@link parseTemplate} already. The language itself has not changed from 1.5 to 1.16.)
 */
import { keyOf, REGISTERS, SIGNIFICANT_INDEX, type CpuidMap } from "../cpuid.ts";
import { leafAddress, registerAddress } from "../format/address.ts";
import { listOf } from "../format/text.ts";
import { alwaysOverwritten, alwaysWritten, unlikeLines } from "./normalization.ts";
import { formatLines } from "../tables/releases.ts";
import type { CpuType, Vendor } from "../tables/field.ts";
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

/** Whether the guest reads nothing there but zeros, as where there is no such leaf. */
function isCleared({ modifiers }: CpuidModifier): boolean {
  return (
    modifiers.length === REGISTERS.length &&
    modifiers.every(({ mask, value }) => mask === 0xffff_ffff && value === 0)
  );
}

/** `own`: the flags that the node's KVM gives the entry; an older KVM does not know newer leaves. */
function checkFlags(
  entry: CpuidModifier,
  path: string,
  own: number | undefined,
): TemplateFinding[] {
  const { leaf, subleaf, flags } = entry;
  const indexed = (flags & SIGNIFICANT_INDEX) !== 0;
  if (flags === own || indexed === INDEXED_LEAVES.has(leaf) || isCleared(entry)) return [];
  const message = indexed
    ? "flags say that the subleaf matters, but this leaf has no subleaves"
    : "flags say that the subleaf does not matter: this entry would answer for every subleaf";
  // KVM takes the first entry that matches, so such an entry hides the leaf's other subleaves.
  const address = leafAddress(leaf, subleaf);
  return [{ path: `${path}.flags`, address, message, harmful: !indexed }];
}

function lostNames(type: CpuType, entry: CpuidModifier, m: RegisterModifier, lost: number) {
  const fields = cpuidFields(type, entry.leaf, entry.subleaf, m.register).filter(
    ({ hi, lo }) => (mask32(hi, lo) & lost) !== 0,
  );
  const unnamed = fields.reduce((rest, { hi, lo }) => rest & ~mask32(hi, lo), lost) >>> 0;
  const bits = Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (unnamed >>> bit) & 1);
  return [
    ...fields.map(({ name }) => name),
    ...(bits.length === 0 ? [] : [`bit${bits.length > 1 ? "s" : ""} ${listOf(bits.map(String))}`]),
  ];
}

function checkOverwritten(
  entry: CpuidModifier,
  path: string,
  type: CpuType,
  { lines, unlike }: { readonly lines: readonly string[]; readonly unlike: readonly string[] },
): TemplateFinding[] {
  const { leaf, subleaf } = entry;
  return entry.modifiers.flatMap((m, i) => {
    const overwritten = m.mask & alwaysOverwritten(type, unlike, leaf, subleaf, m.register);
    if (overwritten === 0) return [];
    const written = alwaysWritten(type, unlike, leaf, subleaf, m.register);
    // Writing what Firecracker writes there as well loses nothing.
    const same = written.mask & ~(written.value ^ m.value);
    const lost = (overwritten & ~same) >>> 0;
    if (lost === 0) return [];
    const names = lostNames(type, entry, m, lost).join(", ");
    const address = registerAddress(leaf, subleaf, m.register);
    const message = `Firecracker ${formatLines(lines)} overwrites ${names}, whatever the template says`;
    return [{ path: `${path}.modifiers[${i}]`, address, message, harmful: false }];
  });
}

/** `lines`: releases that the template is for; `node`: the node's entries, where known. */
export function checkTemplate(
  template: CpuTemplate,
  lines: readonly string[],
  type: CpuType = templateVendor(template),
  node: CpuidMap = new Map(),
): TemplateFinding[] {
  const unlike = unlikeLines(type, lines);
  return template.cpuidModifiers.flatMap((entry, i) => {
    const path = `cpuid_modifiers[${i}]`;
    const own = node.get(keyOf(entry))?.flags;
    return [
      ...checkFlags(entry, path, own),
      ...checkOverwritten(entry, path, type, { lines, unlike }),
    ];
  });
}
