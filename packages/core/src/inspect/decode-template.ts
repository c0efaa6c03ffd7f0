/** A CPU template in names. */
import { templateVendor } from "../firecracker/check-template.ts";
import { describesCpu } from "../tables/arm/lookup.ts";
import type { CpuType } from "../tables/field.ts";
import { fieldsAt, reservedAt, type WordPlace } from "../tables/registers.ts";
import type { CpuTemplate, WideBitmap } from "../template/template.ts";
import { bitPlaces, fieldPlace, placeOf, type Place } from "./order.ts";

/** One field of a template: `0`, `1`, `x` per bit, highest first. */
export interface TemplateField extends Place {
  readonly name: string;
  readonly title: string;
  readonly bits: string;
}

function bitsOf({ mask, value }: WideBitmap, hi: number, lo: number): string {
  let bits = "";
  for (let i = hi; i >= lo; i--) {
    const at = 1n << BigInt(i);
    bits += (mask & at) === 0n ? "x" : (value & at) === 0n ? "0" : "1";
  }
  return bits;
}

/** A register of a vCPU's state has no fields, and bits all the same. */
function unnamedBits(type: CpuType, word: WordPlace): bigint {
  const isState = "id" in word && typeof word.id === "bigint" && !describesCpu(word.id);
  return isState ? 2n ** 64n - 1n : reservedAt(type, word);
}

function fieldsOf(type: CpuType, word: WordPlace, bitmap: WideBitmap): TemplateField[] {
  const at = placeOf(word);
  const named = fieldsAt(type, word).map(({ name, title, hi, lo }) => ({
    ...fieldPlace(at, hi, lo),
    name,
    title,
    bits: bitsOf(bitmap, hi, lo),
  }));
  const rest = bitPlaces(at, unnamedBits(type, word) & bitmap.mask).map((one) => {
    return { ...one.at, name: "reserved", title: "", bits: bitsOf(bitmap, one.bit, one.bit) };
  });
  return [...named, ...rest].filter(({ bits }) => /[01]/.test(bits));
}

export function decodeTemplate(template: CpuTemplate): TemplateField[] {
  const type = templateVendor(template);
  const cpuid = template.cpuidModifiers.flatMap(({ leaf, subleaf, modifiers }) =>
    modifiers.flatMap(({ register, mask, value }) => {
      const bitmap = { mask: BigInt(mask), value: BigInt(value) };
      return fieldsOf(type, { leaf, subleaf, register }, bitmap);
    }),
  );
  const wide = [...template.msrModifiers, ...template.regModifiers].flatMap(
    ({ addr: id, ...bitmap }) => fieldsOf(type, { id }, bitmap),
  );
  return [...cpuid, ...wide];
}
