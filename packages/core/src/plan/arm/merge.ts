/** Merging: each field of every register that describes the CPU, over all classes, by its rule. */
import type { ArmClass } from "../../profile/arm/class.ts";
import type { ArmField } from "../../tables/arm/field.ts";
import { armFields, describesCpu, isFirmware } from "../../tables/arm/lookup.ts";
import { armValue, isPresent, safeValue } from "../../tables/arm/value.ts";

export interface ArmMerged {
  readonly field: ArmField;
  /** One per class; undefined where the class has no such firmware register. */
  readonly values: readonly (bigint | undefined)[];
  /** The pool's value. */
  value: bigint;
  /** The feature whose absence took this one along. */
  requires: string | undefined;
}

/** Registers whose fields mean nothing unless one of these features is there. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  ID_AA64ZFR0_EL1: ["SVE", "SME"],
  ID_AA64SMFR0_EL1: ["SME"],
  ID_AA64FPFR0_EL1: ["FPMR"],
};

/** Every register of some class that describes the CPU, sorted by id. */
export function cpuRegisters(classes: readonly ArmClass[]): bigint[] {
  const ids = new Set(classes.flatMap(({ registers }) => [...registers.keys()]));
  return [...ids].filter(describesCpu).toSorted((a, b) => (a < b ? -1 : 1));
}

function mergeField(field: ArmField, classes: readonly ArmClass[]): ArmMerged {
  const absent = isFirmware(field.id) ? undefined : 0n;
  const values = classes.map(({ registers }) => {
    const word = registers.get(field.id);
    return word === undefined ? absent : armValue(word, field);
  });
  const known = values.filter((value) => value !== undefined);
  return { field, values, value: safeValue(known, field), requires: undefined };
}

function dropOrphans(merged: readonly ArmMerged[]): void {
  const has = new Set(
    merged
      .filter(({ field, value }) => field.group !== "AArch32" && isPresent(value, field))
      .map(({ field }) => field.name),
  );
  for (const merging of merged) {
    const needed = NEEDS[merging.field.register];
    if (needed === undefined || needed.some((name) => has.has(name))) continue;
    if (merging.value !== 0n) merging.requires = needed.join(" or ");
    merging.value = 0n;
  }
}

/** Merges what the classes offer; the same rules that KVM applies when a register is written. */
export function mergeArm(classes: readonly ArmClass[]): ArmMerged[] {
  const merged = cpuRegisters(classes)
    .flatMap((id) => armFields(id))
    .map((field) => mergeField(field, classes));
  dropOrphans(merged);
  return merged;
}
