/** The pool's guest CPU, the template of a class that yields it, and the proof. */
import { fieldBits } from "../../bits.ts";
import { applyWideBitmap } from "../../template/bitmap.ts";
import { formatTemplate } from "../../template/format.ts";
import {
  EMPTY_TEMPLATE,
  type ArmRegisterModifier,
  type CpuTemplate,
  type WideBitmap,
} from "../../template/template.ts";
import { API_BODY_LIMIT, type Proof, type Violation } from "../prove.ts";
import type { ArmClass } from "../../profile/arm/class.ts";
import {
  armFields,
  armPlannedMask,
  armRegisterName,
  armReservedMask,
  isPlanned,
} from "../../tables/arm/lookup.ts";
import type { ArmMerged } from "./merge.ts";
import { armValue, honours, insertArm, isPresent } from "../../tables/arm/value.ts";

/** One register of the guest CPU; bits outside `mask` are left as each node has them. */
export interface ArmGuestRegister extends WideBitmap {
  readonly id: bigint;
}

export interface ArmGuest {
  /** Sorted by id. */
  readonly registers: readonly ArmGuestRegister[];
  /** Names of the features that a guest may use, in the order of their registers. */
  readonly features: readonly string[];
}

export function armGuest(merged: readonly ArmMerged[], ids: readonly bigint[]): ArmGuest {
  const values = new Map<bigint, bigint>();
  for (const { field, value } of merged) {
    if (!isPlanned(field)) continue;
    values.set(field.id, insertArm(values.get(field.id) ?? 0n, field, value));
  }
  return {
    registers: ids
      .map((id) => ({ id, mask: armPlannedMask(id), value: values.get(id) ?? 0n }))
      .filter(({ mask }) => mask !== 0n),
    features: merged
      .filter(
        ({ field, value }) =>
          isPlanned(field) && field.kind === "feature" && isPresent(value, field),
      )
      .filter(({ field }) => field.group !== "AArch32")
      .map(({ field }) => field.name),
  };
}

/** Whole fields that differ, and reserved bits that are set; nothing for a register that fits. */
function modifier(word: bigint, { id, mask, value }: ArmGuestRegister): ArmRegisterModifier {
  let changed = word & armReservedMask(id);
  for (const field of armFields(id)) {
    if (armValue(word ^ value, field) !== 0n) changed |= fieldBits(field);
  }
  return { addr: id, mask: changed & mask, value: value & changed & mask };
}

/** Only registers that must change are named: KVM may refuse to write the others. */
export function armTemplate({ registers }: ArmClass, guest: ArmGuest): CpuTemplate {
  const regModifiers = guest.registers.flatMap((register) => {
    const word = registers.get(register.id);
    return word === undefined ? [] : [modifier(word, register)];
  });
  return { ...EMPTY_TEMPLATE, regModifiers: regModifiers.filter(({ mask }) => mask !== 0n) };
}

export interface ArmEmitted {
  readonly armClass: ArmClass;
  readonly template: CpuTemplate;
}

function compareRegister(
  { id, mask, value }: ArmGuestRegister,
  { registers }: ArmClass,
  actual: bigint | undefined,
): string | undefined {
  const offered = registers.get(id);
  if (offered === undefined || actual === undefined) {
    // The node cannot be asked for it: what stands there must be worth nothing.
    const promised = armFields(id).some((f) => f.kind === "feature" && isPresent(value, f));
    return promised && describesFeatures(id) ? "the class lacks it" : undefined;
  }
  if ((actual & mask) !== value)
    return `0x${actual.toString(16)} instead of 0x${value.toString(16)}`;
  const unbacked = armFields(id)
    .filter(isPlanned)
    .filter((field) => !honours(armValue(offered, field), armValue(actual, field), field));
  if (unbacked.length === 0) return undefined;
  return `claims more than the class has: ${unbacked.map(({ name }) => name).join(", ")}`;
}

/** Firmware registers are absent on older kernels, which offer the services all the same. */
function describesFeatures(id: bigint): boolean {
  return armFields(id).every(({ group }) => group !== "firmware");
}

/** Applies each template and compares, field by field, with the plan and with the class. */
export function proveArm(
  emitted: readonly ArmEmitted[],
  guest: ArmGuest,
  lines: readonly string[],
): Proof {
  const violations: Violation[] = [];
  for (const { armClass, template } of emitted) {
    const report = (address: string, problem: string) =>
      violations.push({ class: armClass.id, firecracker: "any", address, problem });
    const size = formatTemplate(template).length;
    if (size > API_BODY_LIMIT) {
      report("template", `${size} bytes, Firecracker's API takes ${API_BODY_LIMIT}`);
    }
    const after = new Map(armClass.registers);
    for (const { addr, ...bitmap } of template.regModifiers) {
      const word = after.get(addr);
      if (word === undefined) report(armRegisterName(addr), "the class lacks it");
      else after.set(addr, applyWideBitmap(word, bitmap));
    }
    for (const register of guest.registers) {
      const problem = compareRegister(register, armClass, after.get(register.id));
      if (problem !== undefined) report(armRegisterName(register.id), problem);
    }
  }
  const registers = emitted.length * guest.registers.length;
  return { classes: emitted.length, firecracker: lines, registers, violations };
}
