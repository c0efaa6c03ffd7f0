/**
 * One word for a pool's guest CPU: nodes with the same guest CPU share it, and no other node has
 * it. Schedulers that place by CPU model can be given it as the model.
 */
import { hexNumber } from "../format/address.ts";
import { sha256 } from "../format/digest.ts";
import { REGISTERS } from "../cpuid.ts";
import type { PlanFile } from "./find-class.ts";

/** 64 bits: words are compared, not guessed, and a fleet has a handful of guest CPUs. */
const DIGITS = 16;

function entryLines({ guest }: PlanFile): string[] {
  return guest.cpuid.flatMap(({ leaf, subleaf, registers }) =>
    REGISTERS.flatMap((register) => {
      const { mask, value } = registers[register];
      // An entry that is absent reads as zero, so a zero says nothing that absence would not.
      const decided = (value & mask) >>> 0;
      return decided === 0
        ? []
        : [`${hexNumber(leaf)}.${hexNumber(subleaf)}.${register}=${hexNumber(decided)}`];
    }),
  );
}

/** A register that is absent faults when it is read: unlike CPUID, a zero is not nothing. */
function registerLines({ guest }: PlanFile): string[] {
  return guest.registers.map(
    ({ id, mask, value }) => `${hexNumber(id)}=${hexNumber(value & mask)}`,
  );
}

/** Family and model in leaf 1's EAX, with their extensions; SDM volume 2, CPUID. */
const IDENTITY = 0x0fff_0ff0;

/** Where the plan leaves each node its own model, guests see them: two such pools are not one. */
function modelLines({ guest, classes }: PlanFile): string[] {
  const leaf1 = guest.cpuid.find(({ leaf }) => leaf === 1);
  if (leaf1 !== undefined && (leaf1.registers.eax.mask & IDENTITY) === IDENTITY) return [];
  return [...new Set(classes.map(({ id }) => id.slice(0, id.lastIndexOf("-"))))].toSorted();
}

/**
 * `evenkeel-` and 16 hexadecimal digits. It depends on what the plan decides about the guest CPU
 * and nothing else: nodes, templates and releases may come and go. `pool` keeps pools apart whose
 * guest CPUs happen to be the same.
 */
export function guestWord(plan: PlanFile, pool = ""): string {
  const lines = [plan.type, pool, ...entryLines(plan), ...registerLines(plan), ...modelLines(plan)];
  return `evenkeel-${sha256(lines.join("\n")).slice(0, DIGITS)}`;
}
