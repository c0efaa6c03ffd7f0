/** Built-in templates as {@link CpuTemplate}s, built from their rows of names. */
import { insert32, mask32, mask64 } from "../bits.ts";
import { keyOf, SIGNIFICANT_INDEX, type Register } from "../cpuid.ts";
import { groupBy } from "../group.ts";
import { words } from "../tables/words.ts";
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

/** Bits of a CPUID register that a template writes. */
interface Bits extends Bitmap32 {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: Register;
}

function named(name: string, value: number): Bits {
  const field = fieldByName(name);
  if (field === undefined || "addr" in field) throw new Error(`no CPUID row is named ${name}`);
  const { leaf, subleaf = 0, register, hi, lo } = field;
  return { leaf, subleaf, register, mask: mask32(hi, lo), value: insert32(0, hi, lo, value) };
}

const SIGNATURE_FIELDS = "STEPPING MODEL FAMILY PROCESSOR_TYPE EXT_MODEL EXT_FAMILY";

function bitsOf({ hides, sets, identity, reserved }: StaticTemplate): Bits[] {
  const eax = encodeSignature(identity);
  return [
    ...hides.map((name) => named(name, 0)),
    ...sets.map((name) => named(name, 1)),
    ...words(SIGNATURE_FIELDS).map((name) => named(name, eax >>> (fieldByName(name)?.lo ?? 0))),
    ...reserved.flatMap(([leaf, register, ...bits]) =>
      bits.map((bit) => ({ leaf, subleaf: 0, register, mask: mask32(bit, bit), value: 0 })),
    ),
  ];
}

function cpuidModifiers(row: StaticTemplate): CpuTemplate["cpuidModifiers"] {
  return [...groupBy(bitsOf(row), keyOf).values()].flatMap((entry) =>
    entry.slice(0, 1).map(({ leaf, subleaf }) => ({
      leaf,
      subleaf,
      flags: INDEXED_LEAVES.has(leaf) ? SIGNIFICANT_INDEX : 0,
      modifiers: [...groupBy(entry, ({ register }) => register)].map(([register, bits]) => {
        const mask = bits.reduce((all, one) => all | one.mask, 0) >>> 0;
        const value = bits.reduce((word, one) => (word & ~one.mask) | one.value, 0) >>> 0;
        return { register, mask, value };
      }),
    })),
  );
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
