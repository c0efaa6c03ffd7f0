/**
 * A small assembler: lists of instructions with labels, encoded by iced-x86. Its encoder knows
 * every VEX and EVEX form, so no machine code is written by hand.
 */
import {
  BlockEncoder,
  BlockEncoderOptions,
  Code,
  Instruction,
  MemoryOperand,
  Register,
} from "iced-x86";

/** A place in a routine, an instruction, or a branch to a label of the routine or to a routine. */
export type Item =
  | { readonly kind: "label"; readonly name: string }
  | { readonly kind: "instruction"; readonly make: () => Instruction }
  | { readonly kind: "branch"; readonly code: Code; readonly target: string };

/** Memory at `base + displacement`, or at an absolute address below 2 GiB. */
export interface Memory {
  readonly base: Register;
  readonly displacement: number;
}

export function at(displacement: number, base: Register = Register.None): Memory {
  return { base, displacement };
}

function operand({ base, displacement }: Memory): MemoryOperand {
  // Eight: 64-bit addressing, though the encoder finds room for it in four bytes.
  const size = base === Register.None ? 8 : 1;
  return new MemoryOperand(
    base,
    Register.None,
    1,
    BigInt(displacement),
    size,
    false,
    Register.None,
  );
}

function instruction(make: () => Instruction): Item {
  return { kind: "instruction", make };
}

/** An instruction without operands. */
export const op = (code: Code) => instruction(() => Instruction.create(code));

/** Registers only, in Intel's order. */
export function reg(code: Code, ...registers: readonly Register[]): Item {
  const [a = 0, b = 0, c = 0, d = 0] = registers;
  switch (registers.length) {
    case 1:
      return instruction(() => Instruction.createReg(code, a));
    case 2:
      return instruction(() => Instruction.createRegReg(code, a, b));
    case 3:
      return instruction(() => Instruction.createRegRegReg(code, a, b, c));
    default:
      return instruction(() => Instruction.createRegRegRegReg(code, a, b, c, d));
  }
}

/** Up to three registers and an immediate behind them. */
export function imm(code: Code, registers: readonly Register[], immediate: number): Item {
  const [a = 0, b = 0, c = 0] = registers;
  switch (registers.length) {
    case 1:
      return instruction(() => Instruction.createRegI32(code, a, immediate));
    case 2:
      return instruction(() => Instruction.createRegRegI32(code, a, b, immediate));
    default:
      return instruction(() => Instruction.createRegRegRegI32(code, a, b, c, immediate));
  }
}

export const load = (code: Code, target: Register, memory: Memory) =>
  instruction(() => Instruction.createRegMem(code, target, operand(memory)));

export const store = (code: Code, memory: Memory, source: Register) =>
  instruction(() => Instruction.createMemReg(code, operand(memory), source));

/** An instruction whose only operand is memory. */
export const mem = (code: Code, memory: Memory) =>
  instruction(() => Instruction.createMem(code, operand(memory)));

/** Puts a 64-bit number into a register. */
export const set = (target: Register, value: bigint | number) =>
  instruction(() =>
    Instruction.createRegU64(Code.Mov_r64_imm64, target, BigInt.asUintN(64, BigInt(value))),
  );

export const label = (name: string): Item => ({ kind: "label", name });

export const branch = (code: Code, target: string): Item => ({ kind: "branch", code, target });

export const call = (routine: string) => branch(Code.Call_rel32_64, routine);

/** Numbers that stand for a routine's labels until it is laid out; below every real address. */
function numberLabels(items: readonly Item[]): Map<string, bigint> {
  const names = items.flatMap((item) => (item.kind === "label" ? [item.name] : []));
  return new Map(names.map((name, i) => [name, BigInt(i + 1)]));
}

function resolve(
  name: string,
  labels: ReadonlyMap<string, bigint>,
  routines: ReadonlyMap<string, number>,
): bigint {
  const local = labels.get(name);
  if (local !== undefined) return local;
  const routine = routines.get(name);
  if (routine === undefined) throw new Error(`the canary has no label "${name}"`);
  return BigInt(routine);
}

/** Encodes one routine at an address; `routines` are those already placed. */
export function assemble(
  items: readonly Item[],
  address: number,
  routines: ReadonlyMap<string, number>,
): Uint8Array {
  const labels = numberLabels(items);
  const block = new BlockEncoder(64, BlockEncoderOptions.None);
  let pending = 0n;
  for (const item of items) {
    if (item.kind === "label") {
      if (pending !== 0n) throw new Error(`two labels at one place: "${item.name}"`);
      pending = labels.get(item.name) ?? 0n;
      continue;
    }
    const made =
      item.kind === "branch"
        ? Instruction.createBranch(item.code, resolve(item.target, labels, routines))
        : item.make();
    made.ip = pending;
    pending = 0n;
    block.add(made);
    made.free();
  }
  if (pending !== 0n) throw new Error("a label behind the last instruction");
  const bytes = block.encode(BigInt(address));
  block.free();
  return bytes;
}
