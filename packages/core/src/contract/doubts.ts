/** Why nothing may be built on a contract that a node's profile went into. */
import { isZero, SIGNIFICANT_INDEX, type CpuidEntry } from "../cpuid.ts";
import { fieldAddress, leafAddress } from "../format/address.ts";
import { whyNotTaken, writerOf } from "../profile/arm/takes.ts";
import { writtenFields } from "../profile/arm/written.ts";
import { missingOf } from "../profile/complete.ts";
import { templateDoubt } from "../profile/kvm-facts.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuType } from "../tables/field.ts";
import { signatureOf } from "../tables/models.ts";
import { NESTING } from "../tables/nesting.ts";
import { cpuTypeOf } from "../tables/vendors.ts";
import type { CpuTemplate } from "../template/template.ts";
import { contractType, type CpuContract } from "./contract.ts";
import { promisesOf } from "./unbacked.ts";
import { INDEXED_LEAVES } from "../tables/leaves.ts";

function missingIn(profile: NodeProfile): readonly string[] {
  const type = cpuTypeOf(profile.cpu);
  return type === undefined
    ? [...profile.incomplete, "the vendor is unknown"]
    : missingOf(profile, type);
}

/** What is not known of the guests that run on a node; empty where its profile may be relied on. */
export function doubtsAbout(profile: NodeProfile): readonly string[] {
  const doubt = templateDoubt(profile);
  return [
    ...missingIn(profile),
    ...(profile.estimate ? ["it was predicted from an estimate, not from a node"] : []),
    ...(doubt === undefined
      ? []
      : [`it is not known what guests of ${profile.name} see: ${doubt}`]),
  ];
}

/** What a vCPU feature of aarch64 (SVE, pointer authentication) adds to the registers. */
function notModelled({ vcpuFeatures }: CpuTemplate): string[] {
  return vcpuFeatures.map(
    ({ index }) => `it is not known what vcpu_features[${index}] of the template gives the guest`,
  );
}

/** Fields that a template writes and KVM refuses or leaves as they are. */
function notWritten({ cpu, host, kvm }: NodeProfile, template: CpuTemplate): string[] {
  const writer = writerOf(host.kernel, kvm);
  return writtenFields(cpu.registers, template, writer)
    .filter(({ answer }) => answer === "no")
    .map(({ field }) => {
      const why = whyNotTaken(field, writer);
      return `the template does not change ${field.name} (${fieldAddress(field)}): ${why}`;
    });
}

/** What of a template may not reach the guests of a node. */
export function doubtsAboutTemplate(profile: NodeProfile, template: CpuTemplate): string[] {
  return [...notModelled(template), ...notWritten(profile, template)];
}

/** Verdicts rely on the model that guests are shown: nothing may be nested on another. */
export function doubtsAboutNesting(
  guest: Pick<CpuContract, "cpuid" | "msrs">,
  own: readonly CpuidEntry[],
  type: CpuType,
): string[] {
  if (signatureOf(guest.cpuid) === signatureOf(own)) return [];
  const promised = promisesOf(guest, type);
  return NESTING.filter((name) => promised.has(name)).map(
    (name) => `the guest may use ${name} on a model other than the one it sees`,
  );
}

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

/** Why no verdict may build on a contract, by its own content: anybody can make a file. */
export function contractGaps(contract: CpuContract): readonly string[] {
  const { arch, incomplete, cpuid, msrs, registers, firecracker, kernel } = contract;
  const type = contractType(contract);
  if (type === undefined) return incomplete;
  const cpu = { arch, cpuid, msrs, registers };
  const facts = { incomplete, cpu, firecracker: [firecracker], host: { kernel } };
  return [...new Set([...missingOf(facts, type), ...ambiguous(contract)])];
}
