/** How a place in a register is written: `ID_AA64ISAR0_EL1[7:4]`. */
import { bitRange } from "../format/address.ts";
import type { ArmField } from "./field.ts";

export function armAddress({ register, hi, lo }: ArmField): string {
  return `${register}${bitRange(hi, lo)}`;
}
