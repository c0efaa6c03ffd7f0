/** aarch64 registers in names: the fields that say something, and the bits that no row names. */
import type { ArmRegister } from "../cpuid.ts";
import type { DecodedField } from "./decode.ts";
import { armPlace, fieldPlace } from "./order.ts";
import { armFields, armRegisterName, armReservedMask, describesCpu } from "../tables/arm/lookup.ts";
import type { ArmField } from "../tables/arm/field.ts";
import { armValue, isPresent } from "../tables/arm/value.ts";

/** A register of a vCPU's state has no fields here: it is shown as one number. */
function stateRegister({ id, value }: ArmRegister): DecodedField {
  const place = armPlace(armRegisterName(id), id);
  return { ...place, name: "", title: "a vCPU's state", group: "state", kind: "state", value };
}

function reservedBits({ id, value }: ArmRegister): DecodedField[] {
  const place = armPlace(armRegisterName(id), id);
  const bits = value & armReservedMask(id);
  const found: DecodedField[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((bits >> BigInt(bit)) & 1n) === 0n) continue;
    found.push({
      ...fieldPlace(place, bit, bit),
      name: "reserved",
      title: "no row names this bit",
      group: "reserved",
      kind: "reserved",
      value: 1n,
    });
  }
  return found;
}

/** A signed field is there at zero and is not at 15. */
function isThere(value: bigint, field: ArmField): boolean {
  return field.kind === "feature" ? isPresent(value, field) : value !== 0n;
}

function named(register: ArmRegister, zeros: boolean): DecodedField[] {
  const place = armPlace(armRegisterName(register.id), register.id);
  return armFields(register.id).flatMap((field) => {
    const { name, title, group, kind, hi, lo } = field;
    const value = armValue(register.value, field);
    if (!zeros && !isThere(value, field)) return [];
    return { ...fieldPlace(place, hi, lo), name, title, group, kind, value };
  });
}

/** The fields that say something, by register; with `zeros`, all others as well. */
export function decodeArm(registers: readonly ArmRegister[], zeros = false): DecodedField[] {
  return registers
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .flatMap((register) =>
      describesCpu(register.id)
        ? [...named(register, zeros), ...reservedBits(register)]
        : [stateRegister(register)].filter(({ value }) => zeros || value !== 0n),
    );
}
