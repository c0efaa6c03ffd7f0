/** Finding rows by register, and what a register without rows is. */
import { mask64 } from "../../bits.ts";
import { AA32_FIELDS } from "./aa32.ts";
import { AA64_FEATURE_FIELDS } from "./aa64-features.ts";
import { AA64_MEMORY_FIELDS } from "./aa64-memory.ts";
import type { ArmField } from "../field.ts";
import { systemRegister } from "./field.ts";
import { OTHER_FIELDS } from "./others.ts";
import { groupBy } from "../../group.ts";
import { words } from "../words.ts";

export const ARM_FIELDS: readonly ArmField[] = [
  ...AA64_FEATURE_FIELDS,
  ...AA64_MEMORY_FIELDS,
  ...AA32_FIELDS,
  ...OTHER_FIELDS,
];

const byId = groupBy(ARM_FIELDS, ({ id }) => id);
for (const fields of byId.values()) fields.sort((a, b) => a.lo - b.lo);

export function armFields(id: bigint): readonly ArmField[] {
  return byId.get(id) ?? [];
}

/** Fields of a register with values, from text such as `SVE=0 DIT=0`; throws on an unknown name. */
export function armFieldValues(register: string, text: string) {
  return words(text).map((assignment) => {
    const [name, value = "0"] = assignment.split("=");
    const field = ARM_FIELDS.find((f) => f.register === register && f.name === name);
    if (field === undefined) throw new Error(`no row is named ${register}.${name}`);
    return { field, value: BigInt(value) };
  });
}

const SYSTEM_REGISTER = 0x6030_0000_0013_0000n;

/** What system register KVM's id encodes, the inverse of {@link systemRegister}. */
function encodingOf(id: bigint) {
  if (id >> 16n !== SYSTEM_REGISTER >> 16n) return undefined;
  const bits = Number(id & 0xffffn);
  return {
    op0: bits >> 14,
    op1: (bits >> 11) & 7,
    crn: (bits >> 7) & 15,
    crm: (bits >> 3) & 15,
    op2: bits & 7,
  };
}

/** `ID_AA64PFR0_EL1`, `S3_0_C0_C5_2` as assemblers write it, else `register 0x…`. */
export function armRegisterName(id: bigint): string {
  const known = byId.get(id)?.[0]?.register;
  if (known !== undefined) return known;
  const encoding = encodingOf(id);
  if (encoding === undefined) return `register 0x${id.toString(16)}`;
  const { op0, op1, crn, crm, op2 } = encoding;
  return `S${op0}_${op1}_C${crn}_C${crm}_${op2}`;
}

/**
 * Registers that describe the CPU: KVM's feature ID space, and the rows outside of it.
 * Everything else is a vCPU's state. Source: KVM_ARM_FEATURE_ID_RANGE in KVM's API documentation.
 */
export function describesCpu(id: bigint): boolean {
  if (byId.has(id)) return true;
  const encoding = encodingOf(id);
  return (
    encoding !== undefined &&
    encoding.op0 === 3 &&
    (encoding.op1 === 0 || encoding.op1 === 3) &&
    encoding.crn === 0 &&
    encoding.crm < 8
  );
}

const reserved = new Map([...byId.keys()].map((id) => [id, reservedOf(id)]));

function reservedOf(id: bigint): bigint {
  return armFields(id).reduce((mask, { hi, lo }) => mask & ~mask64(hi, lo), 2n ** 64n - 1n);
}

/** Bits that no row covers, in a register that describes the CPU. */
export function armReservedMask(id: bigint): bigint {
  if (!describesCpu(id)) return 0n;
  return reserved.get(id) ?? reservedOf(id);
}

/** KVM's services and versions: a node without the register has no such limit, rather than none. */
export function isFirmware(id: bigint): boolean {
  return id >> 16n === 0x6030_0000_0014n || id >> 16n === 0x6030_0000_0016n;
}

/** The virtual counter, which a dump leaves out because it runs. */
const CNTVCT = systemRegister(3, 3, 14, 3, 2);

/** The floating point control register, last of `struct kvm_regs` in words. */
const LAST_CORE = 0xd5n;

/**
 * Registers that every KVM has, also where a dump does not list them: the general-purpose ones with
 * the program counter (KVM_REG_ARM_CORE), and the virtual counter. Dumps leave some of them out.
 */
export function isAlwaysThere(id: bigint): boolean {
  const isCore = (id >> 16n) % 0x1000n === 0x10n && (id & 0xffffn) <= LAST_CORE;
  return isCore || id === CNTVCT;
}

export function armRegisterBytes(id: bigint): number {
  return 2 ** Number((id >> 52n) & 0xfn);
}

/** Cache geometry by CSSELR (KVM_REG_ARM_DEMUX). */
export function isCacheGeometry(id: bigint): boolean {
  return (id >> 16n) % 0x1000n === 0x11n || id === systemRegister(3, 1, 0, 0, 1);
}
