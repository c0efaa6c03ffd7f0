/** A CPU template in names. */
import { REGISTERS } from "../cpuid.ts";
import { describesCpu } from "../tables/arm/lookup.ts";
import type { CpuType } from "../tables/field.ts";
import { registerAddress } from "../format/address.ts";
import { cpuidFields } from "../tables/lookup.ts";
import { reservedMask } from "../tables/masks.ts";
import { registerFields, reservedRegisterMask, type RegisterId } from "../tables/registers.ts";
import type { CpuTemplate, WideBitmap } from "../template/template.ts";
import { templateVendor } from "../firecracker/check-template.ts";
import { cpuidPlace, fieldPlace, registerPlace, type Place } from "./order.ts";

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

interface Named {
  readonly name: string;
  readonly title: string;
  readonly hi: number;
  readonly lo: number;
}

function fieldsOf(
  bitmap: WideBitmap,
  rows: readonly Named[],
  reserved: bigint,
  at: Place,
): TemplateField[] {
  const named = rows.map(({ name, title, hi, lo }) => ({
    ...fieldPlace(at, hi, lo),
    name,
    title,
    bits: bitsOf(bitmap, hi, lo),
  }));
  const rest: TemplateField[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((reserved & bitmap.mask) >> BigInt(bit)) & 1n) {
      const bits = bitsOf(bitmap, bit, bit);
      rest.push({ ...fieldPlace(at, bit, bit), name: "reserved", title: "", bits });
    }
  }
  return [...named, ...rest].filter(({ bits }) => /[01]/.test(bits));
}

export function decodeTemplate(template: CpuTemplate): TemplateField[] {
  const type = templateVendor(template);
  const cpuid = template.cpuidModifiers.flatMap(({ leaf, subleaf, modifiers }) =>
    modifiers.flatMap(({ register, mask, value }) =>
      fieldsOf(
        { mask: BigInt(mask), value: BigInt(value) },
        cpuidFields(type, leaf, subleaf, register),
        BigInt(reservedMask(type, leaf, subleaf, register)),
        cpuidPlace(
          registerAddress(leaf, subleaf, register),
          leaf,
          subleaf,
          REGISTERS.indexOf(register),
        ),
      ),
    ),
  );
  const wide = [...template.msrModifiers, ...template.regModifiers].flatMap(
    ({ addr: id, ...bitmap }) =>
      fieldsOf(bitmap, registerFields(type, id), unnamedBits(type, id), registerPlace(id)),
  );
  return [...cpuid, ...wide];
}

/** A register of a vCPU's state has no fields, and bits all the same. */
function unnamedBits(type: CpuType, id: RegisterId): bigint {
  const isState = typeof id === "bigint" && !describesCpu(id);
  return isState ? 2n ** 64n - 1n : reservedRegisterMask(type, id);
}
