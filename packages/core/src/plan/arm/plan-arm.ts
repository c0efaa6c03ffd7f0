/** Planning an aarch64 pool: merge the ID registers, emit a template per class, prove it. */
import { fail } from "../../errors.ts";
import { compareLines } from "../../tables/releases.ts";
import type { NodeProfile } from "../../profile/profile.ts";
import type { Levelled, Masked, Residual, United } from "../costs.ts";
import { nameFiles } from "../files.ts";
import type { Proof } from "../prove.ts";
import {
  PROBE_AGAIN,
  refuseUnenforced,
  someOf,
  unreachableFields,
  type Refusal,
} from "../refuse.ts";
import type { CpuTemplate } from "../../template/template.ts";
import { groupArmClasses, type ArmClass } from "../../profile/arm/class.ts";
import {
  armGivenUp,
  armLevelled,
  armMasked,
  armResiduals,
  armUnited,
  type ArmGivenUp,
} from "./costs.ts";
import { armGuest, armTemplate, proveArm, type ArmGuest } from "./guest.ts";
import { missingArmFacts, OWN_REGISTERS, showsOwnRegisters } from "../../profile/arm/facts.ts";
import { cpuRegisters, mergeArm } from "./merge.ts";
import { refuseUnwritable } from "./unwritable.ts";
import { armWarnings } from "./warnings.ts";

export interface ArmPlannedClass {
  readonly armClass: ArmClass;
  readonly template: CpuTemplate;
  /** Relative path of the template's file; classes that share a template share the file. */
  readonly file: string;
  readonly givesUp: readonly ArmGivenUp[];
}

export interface ArmPlan {
  readonly arch: "aarch64";
  readonly firecracker: readonly string[];
  readonly classes: readonly ArmPlannedClass[];
  readonly guest: ArmGuest;
  readonly united: readonly United[];
  readonly levelled: readonly Levelled[];
  readonly masked: readonly Masked[];
  readonly residuals: readonly Residual[];
  readonly warnings: readonly string[];
  readonly proof: Proof;
}

type ArmPlanResult =
  | { readonly ok: true; readonly plan: ArmPlan }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

function refuseIncomplete(profiles: readonly NodeProfile[]): Refusal[] {
  const byReason = new Map<string, string[]>();
  for (const profile of profiles) {
    const missing = missingArmFacts(profile);
    const reasons = showsOwnRegisters(profile.host.kernel) ? [...missing, OWN_REGISTERS] : missing;
    const reason = reasons.join("; ");
    if (reason !== "") byReason.set(reason, [...(byReason.get(reason) ?? []), profile.name]);
  }
  return [...byReason].map(([what, nodes]) => ({
    code: "incomplete",
    message: `${someOf(nodes)}: too incomplete to be safe: ${what}`,
    hint: PROBE_AGAIN,
    nodes,
  }));
}

/** Plans aarch64 profiles, each name once; the result does not depend on their order. */
export function planArm(
  profiles: readonly NodeProfile[],
  firecracker: readonly string[],
): ArmPlanResult {
  const refusals = [...refuseUnenforced(profiles), ...refuseIncomplete(profiles)];
  if (refusals.length > 0) return { ok: false, refusals };

  const lines = firecracker.toSorted(compareLines);
  const classes = groupArmClasses(profiles);
  const ids = cpuRegisters(classes);
  const merged = mergeArm(classes);
  const guest = armGuest(merged, ids);
  const emitted = classes.map((armClass) => ({ armClass, template: armTemplate(armClass, guest) }));
  const proof = proveArm(emitted, guest, lines);
  if (proof.violations.length > 0) {
    return { ok: false, refusals: unreachableFields(proof.violations) };
  }

  const unwritable = refuseUnwritable(emitted);
  if (unwritable.length > 0) return { ok: false, refusals: unwritable };

  const names = classes.map(({ id }) => id);
  const files = nameFiles(
    names,
    emitted.map(({ template }) => template),
  );
  const given = armGivenUp(merged, classes.length);
  return {
    ok: true,
    plan: {
      arch: "aarch64",
      firecracker: lines,
      classes: emitted.map(({ armClass, template }, i) => ({
        armClass,
        template,
        file: files[i] ?? fail("EMPTY_POOL", "a class without a template"),
        givesUp: given[i] ?? [],
      })),
      guest,
      united: armUnited(merged, classes),
      levelled: armLevelled(merged, classes),
      masked: armMasked(ids, classes),
      residuals: armResiduals(merged, classes),
      warnings: armWarnings(emitted),
      proof,
    },
  };
}
