/** PUSH and POP. */
import type { Machine } from "./operands.ts";
import { RSP, setSlot } from "./state.ts";
import { number, operate, UNKNOWN, type Value } from "./values.ts";

export function push(machine: Machine, value: Value): void {
  const { registers } = machine.state;
  const top = registers[RSP] ?? UNKNOWN;
  registers[RSP] = operate("sub", top, number(8), 8);
  if (top.kind === "stack") setSlot(machine.state, top.n - 8, value);
}

export function pop(machine: Machine): Value {
  const { registers, stack } = machine.state;
  const top = registers[RSP] ?? UNKNOWN;
  registers[RSP] = operate("add", top, number(8), 8);
  return top.kind === "stack" ? (stack.get(top.n) ?? UNKNOWN) : UNKNOWN;
}
