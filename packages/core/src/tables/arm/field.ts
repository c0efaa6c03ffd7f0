/**
 * The shape of a row for aarch64: one named field of a register that KVM describes a guest's CPU
 * with. Bits that no row covers are reserved.
 *
 * Sources: names and places from the Arm ARM (DDI 0487, chapter D) and Linux
 * arch/arm64/tools/sysreg; merge rules from Linux arch/arm64/kernel/cpufeature.c.
 */
import type { ArmField } from "../field.ts";

/**
 * KVM's id of a system register: KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG | encoding.
 * Source: https://docs.kernel.org/virt/kvm/api.html, KVM_SET_ONE_REG.
 */
export function systemRegister(
  op0: number,
  op1: number,
  crn: number,
  crm: number,
  op2: number,
): bigint {
  const encoding = (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
  return 0x6030_0000_0013_0000n | BigInt(encoding);
}

export type ArmRow = Omit<ArmField, "register" | "id" | "group" | "reference"> & {
  readonly group?: string;
};

type Bits = number | readonly [hi: number, lo: number];
type Character = Pick<ArmField, "kind" | "merge" | "readBy" | "loss">;
type RowOptions = Partial<
  Pick<ArmField, "signed" | "presentAtZero" | "safe" | "group" | "merge" | "ignoredSince">
>;
type Builder = (bits: Bits, name: string, title: string, options?: RowOptions) => ArmRow;

/** A single number is the lowest bit of the usual four. */
function builder(character: Character): Builder {
  return (bits, name, title, options) => {
    const [hi, lo] = typeof bits === "number" ? [bits + 3, bits] : bits;
    return {
      name,
      title,
      hi,
      lo,
      signed: false,
      presentAtZero: false,
      safe: 0n,
      requires: [],
      of: undefined,
      usedBy: [],
      backedBy: [],
      ...character,
      ...options,
    };
  };
}

const lower = { kind: "feature", merge: "lower" } as const;
/** Instructions that programs execute. */
export const instruction = builder({ ...lower, readBy: "user", loss: "fault" });
/** Something a guest's kernel uses. */
export const kernel = builder({ ...lower, readBy: "kernel", loss: "fault" });
/** A hint: a no-operation where it is not implemented. */
export const hint = builder({ ...lower, readBy: "user", loss: "slower" });
/** Larger means immune, or better protected. */
export const immunity = builder({ ...lower, readBy: "kernel", loss: "insecure" });
/** A number that must fit every member. */
export const minimum = builder({
  kind: "minimum",
  merge: "lower",
  readBy: "kernel",
  loss: "fault",
});
/** A variant rather than a level: there is no order between two of them. */
export const exact = builder({ kind: "derived", merge: "exact", readBy: "user", loss: "fault" });
/** A size that code is written for. */
export const equal = builder({ kind: "derived", merge: "equal", readBy: "user", loss: "silent" });
/** Something that software must be prepared for. */
export const weakness = builder({
  kind: "union",
  merge: "higher",
  readBy: "kernel",
  loss: "fault",
});
/** Firmware services, one bit each. */
export const services = builder({ kind: "feature", merge: "and", readBy: "kernel", loss: "fault" });
export const identity = builder({
  kind: "identity",
  merge: "free",
  readBy: "user",
  loss: "insecure",
});
export const topology = builder({
  kind: "topology",
  merge: "free",
  readBy: "kernel",
  loss: "none",
});

interface ArmPlace {
  readonly register: string;
  readonly id: bigint;
  readonly group: string;
}

const ARM_ARM = "Arm ARM (DDI 0487), chapter D; Linux arch/arm64/kernel/cpufeature.c";

/** Places rows in one register. A row's own group wins over the place's. */
export function inArmRegister(place: ArmPlace, rows: readonly ArmRow[]): ArmField[] {
  return rows.map((row) => ({ reference: ARM_ARM, ...place, ...row }));
}
