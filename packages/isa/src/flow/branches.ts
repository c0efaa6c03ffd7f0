/** What the last instruction of the short decoder says of where it leads. */
import { NO_REGISTER, RIP, short } from "../code/short.ts";
import type { Machine } from "./operands.ts";

/** Whether it is a branch on the flags: JRCXZ and its like are iced's. */
export function isConditional(): boolean {
  const { opcode } = short;
  return (opcode >= 0x70 && opcode < 0x80) || (opcode >= 0x180 && opcode < 0x190);
}

/** The place that an indirect call or jump reads, where it is always the same. */
export function fixedPlace({ next }: Machine): number | undefined {
  if (!short.memory || short.segment) return undefined;
  if (short.base === RIP) return next + short.displacement;
  if (short.base === NO_REGISTER && short.index === NO_REGISTER) return short.displacement;
  return undefined;
}
