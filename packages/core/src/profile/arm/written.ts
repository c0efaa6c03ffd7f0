/** What writing a value into an ID register changes, and whether a node's KVM takes it. */
import { readField } from "../../bits.ts";
import type { ArmRegister } from "../../cpuid.ts";
import { armFields } from "../../tables/arm/lookup.ts";
import type { ArmField } from "../../tables/field.ts";
import { honours } from "../../tables/merge-rules.ts";
import { applyWideBitmap } from "../../template/bitmap.ts";
import type { CpuTemplate } from "../../template/template.ts";
import { takes, whyNotTaken, type Answer, type ArmWriter, type Purpose } from "./takes.ts";

/** A field that a write changes from the node's own value. */
export interface ChangedField {
  readonly field: ArmField;
  readonly own: bigint;
  readonly wanted: bigint;
  /** Whether the node keeps what the value promises. */
  readonly isBacked: boolean;
  readonly answer: Answer;
}

export function changedFields(
  { id, value: own }: ArmRegister,
  wanted: bigint,
  writer: ArmWriter,
  purpose: Purpose,
): ChangedField[] {
  return armFields(id).flatMap((field) => {
    const [from, to] = [readField(own, field), readField(wanted, field)];
    if (from === to) return [];
    const answer = takes(field, from, to, writer, purpose);
    return [{ field, own: from, wanted: to, isBacked: honours(from, to, field), answer }];
  });
}

/** Fields that are not taken for certain, and why; those with one reason together. */
export interface Doubtful {
  readonly answer: Exclude<Answer, "yes">;
  readonly why: string;
  readonly fields: readonly ArmField[];
}

export function doubtfulFields(changed: readonly ChangedField[], writer: ArmWriter): Doubtful[] {
  const groups = new Map<string, Doubtful>();
  for (const { field, answer } of changed) {
    if (answer === "yes") continue;
    const why = whyNotTaken(field, writer);
    const fields = [...(groups.get(`${answer} ${why}`)?.fields ?? []), field];
    groups.set(`${answer} ${why}`, { answer, why, fields });
  }
  return [...groups.values()];
}

export function writtenFields(
  registers: readonly ArmRegister[],
  { regModifiers }: CpuTemplate,
  writer: ArmWriter,
): ChangedField[] {
  const words = new Map(registers.map(({ id, value }) => [id, value]));
  return regModifiers.flatMap((modifier) => {
    const own = { id: modifier.addr, value: words.get(modifier.addr) ?? 0n };
    return changedFields(own, applyWideBitmap(own.value, modifier), writer, "template");
  });
}
