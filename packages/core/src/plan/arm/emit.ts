/**
 * The template of one aarch64 class: whole fields that differ from the pool's, and reserved bits that
 * are set. Registers that fit are not named: KVM may refuse to write them.
 */
import { fieldBits, readField } from "../../bits.ts";
import type { NodeClass } from "../../profile/class.ts";
import { registersOf } from "../../profile/profile.ts";
import { armFields, armReservedMask } from "../../tables/arm/lookup.ts";
import {
  EMPTY_TEMPLATE,
  type ArmRegisterModifier,
  type CpuTemplate,
} from "../../template/template.ts";
import type { GuestCpu, GuestRegister } from "../guest-cpu.ts";

function modifiers(word: bigint | undefined, guest: GuestRegister): ArmRegisterModifier[] {
  const { id, mask, value } = guest;
  if (typeof id === "number" || word === undefined) return [];
  let changed = word & armReservedMask(id);
  for (const field of armFields(id)) {
    if (readField(word ^ value, field) !== 0n) changed |= fieldBits(field);
  }
  const bits = changed & mask;
  return bits === 0n ? [] : [{ addr: id, mask: bits, value: value & bits }];
}

export function armTemplates(classes: readonly NodeClass[], guest: GuestCpu): CpuTemplate[] {
  return classes.map(({ cpu }) => {
    const words = registersOf(cpu);
    const regModifiers = guest.registers.flatMap((register) =>
      modifiers(words.get(register.id), register),
    );
    return { ...EMPTY_TEMPLATE, regModifiers };
  });
}
