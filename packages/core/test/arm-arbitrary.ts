/** Random aarch64 nodes: a consistent CPU of this project's making, fields varied. */
import fc from "fast-check";
import { ARM_FIELDS } from "../src/tables/arm/lookup.ts";
import { groupIntoClasses } from "../src/profile/class.ts";
import { designPool } from "../src/plan/design.ts";
import { describePlan, type PlanResult } from "../src/plan/plan.ts";
import { writeField } from "../src/tables/merge-rules.ts";
import type { ArmRegister } from "../src/cpuid.ts";
import type { TakenField } from "../src/profile/kvm-facts.ts";
import type { NodeProfile } from "../src/profile/profile.ts";

const SMALL = Array.from({ length: 16 }, (_, i) => BigInt(i));

/** The trial of a KVM that takes any small value for any field, as none does. */
export const TAKES_ALL: readonly TakenField[] = ARM_FIELDS.map(({ id, hi, lo }) => ({
  id,
  hi,
  lo,
  values: SMALL,
  ignored: [],
}));

/** A node whose KVM has shown what it takes. */
export function triedNode(
  name: string,
  registers: readonly ArmRegister[],
  takenFields: readonly TakenField[],
  kernel = "6.1.0",
): NodeProfile {
  const kvm = {
    apiVersion: 12,
    capabilities: new Map([3, 14, 32, 36, 70, 87, 89].map((number) => [number, 1])),
    featureMsrs: [],
    unreadableMsrs: [],
    takenFields,
  };
  return { ...armNode(name, registers, kernel), kvm };
}

/** A node of which nobody knows more than its kernel's release. */
export function armNode(
  name: string,
  registers: readonly ArmRegister[],
  kernel = "6.18.0",
): NodeProfile {
  return {
    name,
    cpu: { arch: "aarch64", view: "guest", cpuid: [], msrs: [], registers },
    host: { kernel },
    firecracker: [],
    provenance: undefined,
    incomplete: [],
    estimate: false,
  };
}

/** Every register that has rows, with the named fields set and all others zero. */
export function armRegisters(values: Readonly<Record<string, bigint>>): ArmRegister[] {
  const words = new Map(ARM_FIELDS.map(({ id }) => [id, 0n]));
  for (const field of ARM_FIELDS) {
    const value = values[`${field.register}.${field.name}`];
    if (value !== undefined) {
      words.set(field.id, writeField(words.get(field.id) ?? 0n, field, value));
    }
  }
  return [...words].map(([id, value]) => ({ id, value }));
}

/**
 * A block size is the same on every CPU known; where it is not, there is no pool. What KVM ignores
 * is left as each node has it.
 */
const VARIED = ARM_FIELDS.filter(
  ({ merge, ignoredSince }) => merge !== "equal" && ignoredSince === undefined,
);

export const armCpu = fc
  .array(fc.tuple(fc.nat({ max: VARIED.length - 1 }), fc.bigInt(0n, 15n)), { maxLength: 40 })
  .map((choices) =>
    armRegisters(
      Object.fromEntries(
        choices.flatMap(([i, value]) => {
          const field = VARIED[i];
          return field === undefined ? [] : [[`${field.register}.${field.name}`, value]];
        }),
      ),
    ),
  );

export const armPool = fc
  .array(armCpu, { minLength: 1, maxLength: 4 })
  .map((cpus) => cpus.map((cpu, i) => triedNode(`node-${i}`, cpu, TAKES_ALL)));

/** The plan as it would be, its moves not judged. */
export function planUnjudged(profiles: readonly NodeProfile[]): PlanResult {
  const classes = groupIntoClasses(profiles, "aarch64");
  const designed = designPool(classes, { identity: "oldest", firecracker: ["1.16"] });
  if (!designed.ok) return designed;
  const moves = { judged: 0, barred: [], accepted: undefined };
  return { ok: true, plan: describePlan(designed.pool, moves) };
}
