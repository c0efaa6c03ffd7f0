/** What a contract does not say of its guest, by its own content: files can be made by anybody. */
import { isZero, SIGNIFICANT_INDEX } from "../cpuid.ts";
import { leafAddress } from "../format/address.ts";
import { missingOf } from "../profile/complete.ts";
import { INDEXED_LEAVES } from "../tables/leaves.ts";
import { contractType, type CpuContract } from "./contract.ts";

/**
 * KVM takes the first entry that matches: such an entry answers for subleaves it does not have.
 * One that is all zero (1DH and 1EH under KVM of 5.10) answers like an absent one.
 */
function ambiguous({ cpuid }: CpuContract): string[] {
  return cpuid
    .filter(({ leaf, flags }) => INDEXED_LEAVES.has(leaf) && (flags & SIGNIFICANT_INDEX) === 0)
    .filter((entry) => !isZero(entry))
    .map(({ leaf, subleaf }) => `${leafAddress(leaf, subleaf)} answers for every subleaf`);
}

/** Why no verdict may build on a contract; empty where nothing is missing. */
export function contractGaps(contract: CpuContract): readonly string[] {
  const { arch, incomplete, cpuid, msrs, registers, firecracker, kernel } = contract;
  const type = contractType(contract);
  if (type === undefined) return incomplete;
  const cpu = { arch, cpuid, msrs, registers };
  const facts = { incomplete, cpu, firecracker: [firecracker], host: { kernel } };
  return [...new Set([...missingOf(facts, type), ...ambiguous(contract)])];
}
