/** What must be set for a row's instruction to be tried: by the tables, once, at start. */
import { fieldByName } from "@evenkeel/core";
import { Code, Register as R } from "iced-x86";
import { at, branch, call, imm, load, reg, type Item } from "./assembler.ts";
import type { CanaryRow, Shape } from "./row.ts";

type CpuidRegister = "eax" | "ebx" | "ecx" | "edx";

interface Bit {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: CpuidRegister;
  readonly bit: number;
}

function bitOf(feature: string): Bit {
  const field = fieldByName(feature);
  if (field === undefined || !("leaf" in field)) {
    throw new Error(`the tables have no CPUID bit "${feature}"`);
  }
  const { leaf, subleaf = 0, register, lo } = field;
  return { leaf, subleaf, register, bit: lo };
}

/** A feature and all it requires, each once. */
function withRequirements(feature: string): Set<string> {
  const names = new Set([feature]);
  for (const name of names) for (const base of fieldByName(name)?.requires ?? []) names.add(base);
  return names;
}

const REGISTERS: Readonly<Record<CpuidRegister, R>> = {
  eax: R.EAX,
  ebx: R.EBX,
  ecx: R.ECX,
  edx: R.EDX,
};

const constant = (register: R, value: number) => imm(Code.Mov_r32_imm32, [register], value | 0);

/** Branches to `no` where the bit is clear. */
function demandBit({ leaf, subleaf, register, bit }: Bit): Item[] {
  return [
    constant(R.EAX, leaf),
    constant(R.ECX, subleaf),
    call("cpuid"),
    imm(Code.Bt_rm32_imm8, [REGISTERS[register]], bit),
    branch(Code.Jae_rel32_64, "no"),
  ];
}

/** State components that the kernel must have enabled in XCR0 for registers of a width. */
const STATES: Readonly<Record<Shape, number>> = {
  integer: 0,
  xmm: 0,
  ymm: 0b110,
  zmm: 0b1110_0110,
};

function demandMask(memory: number, mask: number): Item[] {
  if (mask === 0) return [];
  return [
    load(Code.Mov_r32_rm32, R.EAX, at(memory)),
    imm(Code.And_EAX_imm32, [R.EAX], mask),
    imm(Code.Cmp_EAX_imm32, [R.EAX], mask),
    branch(Code.Jne_rel32_64, "no"),
  ];
}

export interface Enabled {
  readonly xcr0: number;
  readonly hwcap2: number;
}

/** Falls through where a row's instruction may be executed, else branches to `no`. */
export function demand(row: CanaryRow, enabled: Enabled): Item[] {
  const { feature, shape, enabledBy } = row;
  const names = withRequirements(feature);
  // CPUID says what the CPU has; XGETBV and XSAVE are illegal until the kernel sets CR4.OSXSAVE.
  if (names.has("XSAVE")) names.add("OSXSAVE");
  if (enabledBy !== undefined && "cpuid" in enabledBy) names.add(enabledBy.cpuid);
  const hwcap2 = enabledBy !== undefined && "hwcap2" in enabledBy ? 1 << enabledBy.hwcap2 : 0;
  // EVEX needs AVX-512's state whatever the width.
  const wide = feature.startsWith("AVX512") ? STATES.zmm : 0;
  return [
    ...[...names].map(bitOf).flatMap(demandBit),
    ...demandMask(enabled.xcr0, STATES[shape] | wide),
    ...demandMask(enabled.hwcap2, hwcap2),
    reg(Code.Xor_r32_rm32, R.EAX, R.EAX),
  ];
}
