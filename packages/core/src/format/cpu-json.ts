/** CPU content as every file of this project writes it. */
import { eachRegister, type ArmRegister, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import { hex32, hexNumber } from "./address.ts";

export function cpuidToJson(entries: readonly CpuidEntry[]) {
  return entries.map((e) => ({
    leaf: hexNumber(e.leaf),
    subleaf: hexNumber(e.subleaf),
    flags: e.flags,
    ...eachRegister((register) => hex32(e[register])),
  }));
}

export function msrsToJson(msrs: readonly MsrValue[]) {
  return msrs.map((m) => ({ addr: hexNumber(m.addr), value: hexNumber(m.value) }));
}

export function registersToJson(registers: readonly ArmRegister[]) {
  return registers.map((r) => ({ id: hexNumber(r.id), value: hexNumber(r.value) }));
}
