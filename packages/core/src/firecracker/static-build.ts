/** Built-in templates as {@link CpuTemplate}s, built from their rows of names. */
import { insert32, mask32, mask64 } from "../bits.ts";
import { entryKey, REGISTERS, SIGNIFICANT_INDEX, type Register } from "../cpuid.ts";
import { INDEXED_LEAVES } from "../tables/leaves.ts";
import { fieldByName } from "../tables/lookup.ts";
import { encodeSignature } from "../tables/models.ts";
import { ARCH_CAPABILITIES } from "../tables/msr/capabilities.ts";
import { normalizeTemplate } from "../template/format.ts";
import {
  EMPTY_TEMPLATE,
  type Bitmap32,
  type CpuTemplate,
  type MsrModifier,
} from "../template/template.ts";
import type { StaticMsr, StaticTemplate } from "./static-templates.ts";
import { does } from "../tables/releases.ts";

type Words = Map<string, { leaf: number; subleaf: number; words: Map<Register, Bitmap32> }>;

function write(
  all: Words,
  [leaf, subleaf, register]: readonly [number, number, Register],
  [hi, lo]: readonly [number, number],
  value: number,
): void {
  const key = entryKey(leaf, subleaf);
  const entry = all.get(key) ?? { leaf, subleaf, words: new Map<Register, Bitmap32>() };
  const before = entry.words.get(register) ?? { mask: 0, value: 0 };
  entry.words.set(register, {
    mask: (before.mask | mask32(hi, lo)) >>> 0,
    value: insert32(before.value, hi, lo, value),
  });
  all.set(key, entry);
}

function writeNamed(all: Words, name: string, value: number): void {
  const field = fieldByName(name);
  if (field === undefined || "addr" in field) throw new Error(`no CPUID row is named ${name}`);
  const { leaf, subleaf = 0, register, hi, lo } = field;
  write(all, [leaf, subleaf, register], [hi, lo], value);
}

const SIGNATURE_FIELDS = [
  "STEPPING",
  "MODEL",
  "FAMILY",
  "PROCESSOR_TYPE",
  "EXT_MODEL",
  "EXT_FAMILY",
];

function cpuidModifiers(row: StaticTemplate): CpuTemplate["cpuidModifiers"] {
  const all: Words = new Map();
  for (const name of row.hides) writeNamed(all, name, 0);
  for (const name of row.sets) writeNamed(all, name, 1);
  const eax = encodeSignature(row.identity);
  for (const name of SIGNATURE_FIELDS) writeNamed(all, name, eax >>> (fieldByName(name)?.lo ?? 0));
  for (const [leaf, register, ...bits] of row.reserved) {
    for (const bit of bits) write(all, [leaf, 0, register], [bit, bit], 0);
  }
  return [...all.values()].map(({ leaf, subleaf, words }) => ({
    leaf,
    subleaf,
    flags: INDEXED_LEAVES.has(leaf) ? SIGNIFICANT_INDEX : 0,
    modifiers: REGISTERS.flatMap((register) => {
      const bitmap = words.get(register);
      return bitmap === undefined ? [] : [{ register, ...bitmap }];
    }),
  }));
}

function bitsNamed(fieldNames: readonly string[]): bigint {
  return fieldNames.reduce((all, name) => all | (1n << BigInt(fieldByName(name)?.lo ?? 0)), 0n);
}

function msrModifier({ sets, keeps }: StaticMsr): MsrModifier {
  const mask = mask64(63, 0) & ~bitsNamed(keeps);
  return { addr: ARCH_CAPABILITIES, mask, value: bitsNamed(sets) };
}

export function buildStaticTemplate(row: StaticTemplate, line: string): CpuTemplate {
  const msr = row.archCapabilities.findLast(({ by }) => by === undefined || does(line, by));
  return normalizeTemplate({
    ...EMPTY_TEMPLATE,
    cpuidModifiers: cpuidModifiers(row),
    msrModifiers: msr === undefined ? [] : [msrModifier(msr)],
  });
}
