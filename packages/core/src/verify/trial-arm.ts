/** What to try on a vCPU to learn which values its KVM takes for the registers of a CPU. */
import type { ArmRegister } from "../cpuid.ts";
import { mask64, readField } from "../bits.ts";
import type { ArmField } from "../tables/field.ts";
import { armFields, isCacheGeometry } from "../tables/arm/lookup.ts";
import { MPIDR_EL1 } from "../tables/arm/others.ts";
import { honours } from "../tables/merge-rules.ts";

export interface ArmTrial {
  readonly id: bigint;
  readonly hi: number;
  readonly lo: number;
  readonly values: readonly bigint[];
}

/** Wider fields are numbers or bits of their own, of which not every value can be tried. */
const FEW_BITS = 4;

/** Values that KVM may take by its rules, and one that it should not: what it adds is not counted on. */
function smallValues(field: ArmField, own: bigint, width: number): bigint[] {
  const all = Array.from({ length: 1 << width }, (_, i) => BigInt(i)).filter((v) => v !== own);
  if (field.ignoredSince !== undefined) return all;
  const others = all.filter((v) => !honours(own, v, field));
  return [...all.filter((v) => honours(own, v, field)), ...others.slice(0, 1)];
}

/** Versions of PSCI that KVM has spoken: 0.2 and 1.0 to 1.3. */
const PSCI_VERSIONS = [0x2n, 0x1_0000n, 0x1_0001n, 0x1_0002n, 0x1_0003n];

function clearedBits(value: bigint, width: number): bigint[] {
  const bits = Array.from({ length: width }, (_, i) => 1n << BigInt(i));
  return bits.filter((bit) => (value & bit) !== 0n).map((bit) => value & ~bit);
}

function valuesOf(field: ArmField, own: bigint): bigint[] {
  const width = field.hi - field.lo + 1;
  if (width <= FEW_BITS) return smallValues(field, own, width);
  if (field.merge === "and") return clearedBits(own, width);
  if (field.name === "PSCI_VERSION") return PSCI_VERSIONS;
  // The lowest bit of an identity is its revision's.
  if (field.kind === "identity") return [own ^ 1n];
  if (field.merge === "free") return [];
  const smaller = own < 256n ? Array.from({ length: Number(own) }, (_, i) => BigInt(i)) : [];
  return [...smaller, own + 1n];
}

/** Bits of CLIDR_EL1 (the inner cache boundary) and CCSIDR_EL1 (sets) that no rule depends on. */
const CLIDR_BIT = 1n << 30n;
const CCSIDR_BIT = 1n << 13n;

function trialsOf({ id, value }: ArmRegister): ArmTrial[] {
  if (id === MPIDR_EL1) return [];
  const whole = value & mask64(63, 0);
  if (isCacheGeometry(id)) {
    const bit = armFields(id).length > 0 ? CLIDR_BIT : CCSIDR_BIT;
    return [{ id, hi: 63, lo: 0, values: [whole ^ bit] }];
  }
  return armFields(id).map((field) => {
    const own = readField(whole, field);
    const values = valuesOf(field, own).filter((v) => v !== own);
    return { id, hi: field.hi, lo: field.lo, values };
  });
}

export function armTrials(registers: readonly ArmRegister[]): ArmTrial[] {
  return registers
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .flatMap(trialsOf)
    .filter(({ values }) => values.length > 0);
}
