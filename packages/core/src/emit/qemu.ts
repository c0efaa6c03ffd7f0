/**
 * QEMU: `-cpu base` has no feature at all, so that a guest has what is named and nothing else.
 * `enforce` makes QEMU refuse to start where the host lacks one of them.
 * Source: https://www.qemu.org/docs/master/system/qemu-cpu-models.html and target/i386/cpu.c.
 */
import type { Plan } from "../plan/plan.ts";
import {
  guestOf,
  sorted,
  unsaidBits,
  unsaidIdentity,
  unsaidNumbers,
  wordsFor,
  type Emitted,
  type Guest,
  type Unsaid,
} from "./guest.ts";

const VENDORS = { intel: "GenuineIntel", amd: "AuthenticAMD" } as const;

/** QEMU's properties for numbers that fit every node. */
const NUMBERS = [
  ["level", "MAX_BASIC_LEAF"],
  ["level-func7", "MAX_LEAF7_SUBLEAF"],
  ["xlevel", "MAX_EXTENDED_LEAF"],
  ["phys-bits", "MAXPHYADDR"],
] as const;

function numbers(guest: Guest): string[] {
  return NUMBERS.flatMap(([property, name]) => {
    const value = guest.value(name);
    // A leaf 7 that ends with subleaf 0 is said, too: without a word QEMU counts on.
    if (value === 0 && property !== "level-func7") return [];
    return [`${property}=${value > 0xffff ? `0x${value.toString(16)}` : value}`];
  });
}

/** QEMU takes 57 bits with LA57 and 48 without. */
function unsaidLinear(guest: Guest): Unsaid[] {
  const own = guest.value("LA57") === 0 ? 48 : 57;
  const planned = guest.value("LINEAR_ADDRESS_BITS");
  if (planned === 0 || planned === own) return [];
  return unsaidNumbers(
    { ...guest, fields: guest.fields.filter(({ name }) => name === "LINEAR_ADDRESS_BITS") },
    new Set(),
    "QEMU",
  );
}

export function qemuCpu(plan: Plan): Emitted {
  const guest = guestOf(plan);
  const { identity } = plan;
  const who =
    identity === undefined
      ? []
      : [`family=${identity.family}`, `model=${identity.model}`, `stepping=${identity.stepping}`];
  const { words, said } = wordsFor(guest, ({ qemu }) => qemu);
  const features = words.map((word) => `${word}=on`);
  const properties = [`vendor=${VENDORS[guest.vendor]}`, ...who, ...numbers(guest), ...features];
  const saidNumbers = new Set(["LINEAR_ADDRESS_BITS", ...NUMBERS.map(([, name]) => name)]);
  return {
    text: `-cpu base,${properties.join(",")},enforce=on\n`,
    unsaid: sorted([
      ...(identity === undefined ? [unsaidIdentity("QEMU")] : []),
      ...unsaidBits(guest, said, "QEMU"),
      ...unsaidNumbers(guest, saidNumbers, "QEMU"),
      ...unsaidLinear(guest),
    ]),
  };
}
