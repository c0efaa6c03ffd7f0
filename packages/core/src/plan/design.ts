/** Designing a pool: the guest CPU that all classes can be, and a template for each that yields it. */
import { fail } from "../errors.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import type { NodeClass } from "../profile/class.ts";
import type { CpuType } from "../tables/field.ts";
import { compareLines } from "../tables/releases.ts";
import { findAnomalies } from "./anomalies.ts";
import { refuseUnwritable } from "./arm/unwritable.ts";
import { close, derive, giveUpNesting } from "./close.ts";
import { guestCpu } from "./guest-cpu.ts";
import { chooseIdentity, setIdentity, type Identity, type IdentityPolicy } from "./identity.ts";
import { merge, type Merged } from "./merge.ts";
import { tellMitigations } from "./mitigations.ts";
import { prove, type Emitted } from "./prove.ts";
import { unreachableFields, type Refusal } from "./refuse.ts";
import { forbid, unmetRequirements } from "./shape.ts";
import { STEPS, type Pool } from "./steps.ts";
import { refuseWeaknesses } from "./weaknesses.ts";

export interface DesignOptions {
  readonly identity: IdentityPolicy;
  readonly firecracker: readonly string[];
  readonly require?: readonly string[];
  readonly forbid?: readonly string[];
}

type Designed =
  | { readonly ok: true; readonly pool: Pool }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

/** What all classes have, consistent in itself, and the features gone that shall go. */
function mergeClasses(
  classes: readonly NodeClass[],
  views: readonly GuestView[],
  type: CpuType,
  forbidden: readonly string[],
): Merged {
  const merged = merge(type, views);
  forbid(merged, forbidden);
  giveUpNesting(merged, classes);
  close(merged);
  return merged;
}

/** Sets what follows from the merged fields, and the model that guests are shown. */
function identify(
  merged: Merged,
  classes: readonly NodeClass[],
  policy: IdentityPolicy,
): Identity | undefined {
  derive(merged);
  const chosen = chooseIdentity(classes, policy);
  if (chosen === undefined) return undefined;
  setIdentity(merged, chosen);
  return tellMitigations(merged, classes, chosen);
}

function emit(
  classes: readonly NodeClass[],
  merged: Merged,
  guest: Pool["guest"],
  lines: readonly string[],
): Emitted[] {
  const templates = STEPS[merged.type].templates(classes, guest, lines);
  return classes.map((nodeClass, i) => ({
    nodeClass,
    template: templates[i] ?? fail("EMPTY_POOL", "a class without a template"),
  }));
}

/** The pool as designed, before its moves are judged; for complete classes of one type. */
export function designPool(classes: readonly NodeClass[], options: DesignOptions): Designed {
  const { identity: policy, firecracker, require: required = [], forbid: forbidden = [] } = options;
  const [type] = classes.map((nodeClass) => nodeClass.type);
  if (type === undefined) return fail("EMPTY_POOL", "there is no class to plan for");
  const lines = firecracker.toSorted(compareLines);
  const views = classes.map(({ cpu }) => simulate(cpu, type, lines.at(-1) ?? ""));
  const merged = mergeClasses(classes, views, type, forbidden);
  const unmet = unmetRequirements(required, merged, classes);
  if (unmet.length > 0) return { ok: false, refusals: unmet };
  const weaknesses = refuseWeaknesses(merged, classes);
  if (weaknesses.length > 0) return { ok: false, refusals: weaknesses };

  const identity = identify(merged, classes, policy);
  const guest = guestCpu(merged, identity === undefined);
  const emitted = emit(classes, merged, guest, lines);
  const proof = prove(emitted, guest, lines);
  const unreachable = unreachableFields(proof.violations);
  if (unreachable.length > 0) return { ok: false, refusals: unreachable };
  const unwritable = refuseUnwritable(emitted);
  if (unwritable.length > 0) return { ok: false, refusals: unwritable };
  const level = STEPS[type].level(new Set(guest.features));
  const anomalies = findAnomalies(merged, classes);
  const planned = { identity, guest, emitted, proof, level, anomalies };
  return { ok: true, pool: { classes, views, merged, lines, policy, ...planned } };
}
