/** Why nothing may be built on a contract that a node's profile went into. */
import { missingOf } from "../profile/complete.ts";
import { templateDoubt } from "../profile/kvm-facts.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { cpuTypeOf } from "../tables/vendors.ts";

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
    ...(doubt === undefined ? [] : [`what guests of ${profile.name} see is not known: ${doubt}`]),
  ];
}
