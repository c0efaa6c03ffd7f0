/** Why nothing may be built on a contract that a node's profile went into. */
import { missingArmFacts } from "../profile/arm/facts.ts";
import { indexEntries } from "../cpuid.ts";
import { missingFacts } from "../profile/complete.ts";
import { templateDoubt } from "../profile/kvm-facts.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { vendorOfCpu } from "../tables/vendors.ts";

function missingOf(profile: NodeProfile): readonly string[] {
  const { cpu, incomplete } = profile;
  if (cpu.arch === "aarch64") return missingArmFacts(profile);
  const vendor = vendorOfCpu(cpu.cpuid);
  if (vendor === undefined) return [...incomplete, "the vendor is unknown"];
  return missingFacts(profile, indexEntries(cpu.cpuid), vendor);
}

/** What is not known of the guests that run on a node; empty where its profile may be relied on. */
export function doubtsAbout(profile: NodeProfile): readonly string[] {
  const doubt = templateDoubt(profile);
  return [
    ...missingOf(profile),
    ...(profile.estimate ? ["it was predicted from an estimate, not from a node"] : []),
    ...(doubt === undefined ? [] : [`what guests of ${profile.name} see is not known: ${doubt}`]),
  ];
}
