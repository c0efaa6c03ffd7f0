/** What a CPU template writes into ID registers, and whether a node's KVM takes it. */
import { readField } from "../../bits.ts";
import type { ArmRegister } from "../../cpuid.ts";
import { applyWideBitmap } from "../../template/bitmap.ts";
import type { CpuTemplate } from "../../template/template.ts";
import { armFields } from "../../tables/arm/lookup.ts";
import type { ArmField } from "../../tables/field.ts";
import { takes, type Answer, type ArmWriter } from "./takes.ts";

/** Each field that the template writes, with KVM's answer. */
export function writtenFields(
  registers: readonly ArmRegister[],
  { regModifiers }: CpuTemplate,
  writer: ArmWriter,
): { readonly field: ArmField; readonly answer: Answer }[] {
  if (regModifiers.length === 0) return [];
  const words = new Map(registers.map(({ id, value }) => [id, value]));
  return regModifiers.flatMap((modifier) => {
    const own = words.get(modifier.addr) ?? 0n;
    const shown = applyWideBitmap(own, modifier);
    return armFields(modifier.addr).map((field) => {
      const [from, to] = [readField(own, field), readField(shown, field)];
      return { field, answer: takes(field, from, to, writer, "template") };
    });
  });
}
