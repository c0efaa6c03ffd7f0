/**
 * The second opinion on aarch64: what KVM refuses when a snapshot's registers are written, told
 * from their numbers alone. Source: Linux arch/arm64/kvm/sys_regs.c, v6.1 and v6.18.
 */
import type { ArmRegister } from "../src/cpuid.ts";

type Registers = readonly ArmRegister[];

/** op0, op1, CRn, CRm, op2 as in the manual; undefined for what is no system register. */
function systemRegister(id: bigint): readonly number[] | undefined {
  if (((id >> 16n) & 0xfffn) !== 0x13n) return undefined;
  const part = (shift: bigint, mask: bigint) => Number((id >> shift) & mask);
  return [part(14n, 3n), part(11n, 7n), part(7n, 15n), part(3n, 15n), part(0n, 7n)];
}

function isIdRegister(id: bigint): boolean {
  const place = systemRegister(id);
  if (place === undefined) return false;
  const [op0, op1, crn, crm = 0] = place;
  return op0 === 3 && op1 === 0 && crn === 0 && crm >= 1;
}

function isMainId(id: bigint): boolean {
  const place = systemRegister(id)?.join(".") ?? "";
  return ["3.0.0.0.0", "3.0.0.0.6", "3.1.0.0.7"].includes(place);
}

const CSV2_AND_CSV3 = 0xffn << 56n;
const ID_AA64PFR0 = 0x6030_0000_0013_c020n;

/** Whether KVM's ID registers are as they are: before 6.7. */
function isFixed(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  return major < 6 || (major === 6 && minor < 7);
}

/**
 * Registers with which a guest that no template shaped cannot be loaded on a node. The core
 * registers are in no newer dump and in every KVM.
 */
export function naiveArmUnsafe(guest: Registers, node: Registers, kernel: string): string[] {
  const there = new Map(node.map(({ id, value }) => [id, value]));
  const found: string[] = [];
  for (const { id, value } of guest) {
    const name = `0x${id.toString(16)}`;
    if (((id >> 16n) & 0xfffn) === 0x10n) continue;
    const own = there.get(id);
    if (own === undefined) {
      found.push(`${name} is not there`);
      continue;
    }
    const mask = id === ID_AA64PFR0 ? CSV2_AND_CSV3 : 0n;
    const differs = (value & ~mask) !== (own & ~mask);
    if (differs && (isMainId(id) || (isIdRegister(id) && isFixed(kernel)))) found.push(name);
  }
  return found;
}
