/** Random aarch64 nodes: a consistent CPU of this project's making, fields varied. */
import fc from "fast-check";
import { ARM_FIELDS } from "../src/arm/lookup.ts";
import { insertArm } from "../src/arm/value.ts";
import type { ArmRegister } from "../src/cpuid.ts";
import type { NodeProfile } from "../src/profile/profile.ts";

export function armNode(
  name: string,
  registers: readonly ArmRegister[],
  kernel = "6.12.0",
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
      words.set(field.id, insertArm(words.get(field.id) ?? 0n, field, value));
    }
  }
  return [...words].map(([id, value]) => ({ id, value }));
}

/** A block size is the same on every CPU known; where it is not, there is no pool. */
const VARIED = ARM_FIELDS.filter(({ merge }) => merge !== "equal");

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
  .map((cpus) => cpus.map((cpu, i) => armNode(`node-${i}`, cpu)));
