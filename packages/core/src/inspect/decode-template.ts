/** A CPU template in names. */
import { REGISTERS } from "../cpuid.ts";
import { armFields, armRegisterName, armReservedMask, describesCpu } from "../tables/arm/lookup.ts";
import { msrAddress, registerAddress } from "../format/address.ts";
import { cpuidFields, msrFields } from "../tables/lookup.ts";
import { reservedMask, reservedMsrMask } from "../tables/masks.ts";
import type { CpuTemplate, WideBitmap } from "../template/template.ts";
import { templateVendor } from "../firecracker/check-template.ts";
import { armPlace, cpuidPlace, fieldPlace, msrPlace, type Place } from "./order.ts";

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

/** Every field that a template touches, in names. */
export function decodeTemplate(template: CpuTemplate): TemplateField[] {
  const vendor = templateVendor(template);
  const cpuid = template.cpuidModifiers.flatMap(({ leaf, subleaf, modifiers }) =>
    modifiers.flatMap(({ register, mask, value }) =>
      fieldsOf(
        { mask: BigInt(mask), value: BigInt(value) },
        cpuidFields(vendor, leaf, subleaf, register),
        BigInt(reservedMask(vendor, leaf, subleaf, register)),
        cpuidPlace(
          registerAddress(leaf, subleaf, register),
          leaf,
          subleaf,
          REGISTERS.indexOf(register),
        ),
      ),
    ),
  );
  const msrs = template.msrModifiers.flatMap(({ addr, ...bitmap }) =>
    fieldsOf(
      bitmap,
      msrFields(vendor, addr),
      reservedMsrMask(vendor, addr),
      msrPlace(msrAddress(addr), addr),
    ),
  );
  const arm = template.regModifiers.flatMap(({ addr, ...bitmap }) =>
    fieldsOf(
      bitmap,
      armFields(addr),
      describesCpu(addr) ? armReservedMask(addr) : 2n ** 64n - 1n,
      armPlace(armRegisterName(addr), addr),
    ),
  );
  return [...cpuid, ...msrs, ...arm];
}
