/** Planning classes: one guest CPU, a template per class that yields it, price and proof. */
import { fail } from "../errors.ts";
import { fieldAddress } from "../format/address.ts";
import { listOf } from "../format/text.ts";
import { simulate } from "../firecracker/simulate.ts";
import { ALL_LINES, compareLines } from "../tables/releases.ts";
import type { NodeClass } from "../profile/class.ts";
import type { Vendor } from "../tables/field.ts";
import { backingText } from "../format/backing.ts";
import { isBacked } from "../tables/backing.ts";
import { levelOf } from "../tables/levels.ts";
import { isAnnouncement } from "../tables/masks.ts";
import type { CpuTemplate } from "../template/template.ts";
import { anomalyWarnings, findAnomalies, type Anomaly } from "./anomalies.ts";
import { close } from "./close.ts";
import {
  givenUp,
  levelled,
  masked,
  residuals,
  united,
  type GivenUp,
  type Levelled,
  type Masked,
  type Residual,
  type United,
} from "./costs.ts";
import { derive } from "./derive.ts";
import { emitTemplate, writtenFor } from "./emit.ts";
import { guestCpu, type GuestCpu } from "./guest.ts";
import {
  chooseIdentity,
  identityWarnings,
  setIdentity,
  type Identity,
  type IdentityPolicy,
} from "./identity.ts";
import { judgePlan } from "./judge.ts";
import { merge, type Merged } from "./merge.ts";
import { tellMitigations } from "./mitigations.ts";
import type { Accept, PlanMoves } from "./moves.ts";
import { nameFiles } from "./files.ts";
import { giveUpNesting } from "./nesting.ts";
import { prove, type Proof } from "./prove.ts";
import { someOf, unreachableFields, type Refusal } from "./refuse.ts";
import { forbid, unmetRequirements } from "./shape.ts";
import { estimateWarnings, floorWarnings } from "./warnings.ts";

export interface PlanOptions {
  readonly identity: IdentityPolicy;
  /** Firecracker lines to plan for, e.g. `1.12`; all known ones by default. */
  readonly firecracker: readonly string[];
  /** Features the pool must have, else there is no plan. */
  readonly require?: readonly string[];
  /** Features to give up on purpose. */
  readonly forbid?: readonly string[];
  /** Classes to leave out, by id or model. */
  readonly without?: readonly string[];
  /** The worst verdict between two classes that is no reason against the plan. */
  readonly accept?: Accept | undefined;
}

export const DEFAULT_OPTIONS: PlanOptions = { identity: "oldest", firecracker: ALL_LINES };

export interface PlannedClass {
  readonly nodeClass: NodeClass;
  readonly template: CpuTemplate;
  /** Relative path of the template's file; classes that share a template share the file. */
  readonly file: string;
  readonly givesUp: readonly GivenUp[];
}

export interface Plan {
  readonly arch: "x86_64";
  readonly vendor: Vendor;
  readonly firecracker: readonly string[];
  /** Undefined: every class keeps its own (`--identity keep`). */
  readonly identity: Identity | undefined;
  readonly level: string;
  readonly classes: readonly PlannedClass[];
  readonly guest: GuestCpu;
  readonly united: readonly United[];
  readonly levelled: readonly Levelled[];
  readonly masked: readonly Masked[];
  readonly residuals: readonly Residual[];
  readonly anomalies: readonly Anomaly[];
  readonly warnings: readonly string[];
  readonly moves: PlanMoves;
  readonly proof: Proof;
}

export type PlanResult =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

export function refused(...refusals: Refusal[]): PlanResult {
  return { ok: false, refusals };
}

/** A weakness that cannot be shown everywhere: hiding it instead would be a lie to guests. */
function unreachableWeaknesses(merged: Merged, classes: readonly NodeClass[]): Refusal[] {
  const shown = new Map(merged.fields.map(({ field, value }) => [field.name, value]));
  return merged.fields.flatMap((merging): Refusal[] => {
    const { field, value, values, present } = merging;
    if (!isAnnouncement(field.kind) || values.every((v) => v === 0)) return [];
    const announcing = classes.filter((_, i) => values[i] !== 0).map(({ id }) => id);
    const without = classes.filter((_, i) => !present[i]).map(({ id }) => id);
    // Without ARCH_CAPABILITIES no guest reads the MSR, whatever stands in it.
    const untold = field.of !== undefined && shown.get(field.of) === 0;
    const hidden = value === 0 || untold;
    if (!hidden && without.length === 0) return [];
    const unread = `guests are not shown ${field.of}`;
    const why = untold
      ? unread
      : hidden
        ? "the levelled CPU hides its leaf"
        : `absent on ${listOf(without)}`;
    return [
      {
        code: "unreachable",
        message:
          `${field.name} (${fieldAddress(field)}, ${field.title}) must be shown to every guest, ` +
          `because ${listOf(announcing)} announces it, but cannot be: ${why}`,
        hint: "Bring those nodes to a newer host kernel, or plan them as a pool of their own.",
        nodes: classes.filter((_, i) => !present[i]).flatMap(({ nodes }) => nodes),
      },
    ];
  });
}

/**
 * Remedies that some class announces and another one neither has nor can do without: its guests
 * would execute VERW, and it would clear nothing.
 */
function unbackedRemedies(merged: Merged, classes: readonly NodeClass[]): Refusal[] {
  const byName = new Map(merged.fields.map((merging) => [merging.field.name, merging]));
  return merged.fields.flatMap(({ field, values }): Refusal[] => {
    if (field.kind !== "remedy" || values.every((v) => v === 0)) return [];
    const has = (i: number) => (name: string) => (byName.get(name)?.values[i] ?? 0) !== 0;
    const lacking = classes.filter((_, i) => values[i] === 0 && !isBacked(field.backedBy, has(i)));
    if (lacking.length === 0) return [];
    const having = classes.filter((_, i) => values[i] !== 0).map(({ id }) => id);
    return [
      {
        code: "microcode",
        message:
          `guests must be able to rely on ${field.name} (${fieldAddress(field)}, ${field.title}), ` +
          `as ${someOf(having)} announce${having.length === 1 ? "s" : ""}; without it, and without ` +
          `${backingText(field)}: ${someOf(lacking.map(({ id }) => id))}`,
        hint: "Update the microcode and the kernel of those nodes, or plan them apart (--split).",
        nodes: lacking.flatMap(({ nodes }) => nodes),
      },
    ];
  });
}

/** Plans classes that are known to be complete and of one vendor. */
export function planClasses(classes: readonly NodeClass[], options: PlanOptions): PlanResult {
  const { identity: policy, firecracker, require: required = [], forbid: forbidden = [] } = options;
  const vendor = classes[0]?.vendor ?? "intel";
  const lines = firecracker.toSorted(compareLines);
  const newest = lines.at(-1) ?? "";
  const views = classes.map(({ cpu }) => simulate(cpu, vendor, newest));
  const merged = merge(vendor, views);
  const reasons = close(merged, giveUpNesting(merged, classes, forbid(merged, forbidden)));
  const unmet = unmetRequirements(required, merged, reasons, classes);
  if (unmet.length > 0) return refused(...unmet);
  const weaknesses = [
    ...unreachableWeaknesses(merged, classes),
    ...unbackedRemedies(merged, classes),
  ];
  if (weaknesses.length > 0) return refused(...weaknesses);

  derive(merged);
  const chosen = chooseIdentity(classes, policy);
  if (chosen !== undefined) setIdentity(merged, chosen);
  const identity = chosen === undefined ? undefined : tellMitigations(merged, classes, chosen);
  const guest = guestCpu(merged, identity === undefined);
  const written = writtenFor(vendor, guest, lines);
  const templates = classes.map((nodeClass) => emitTemplate(nodeClass, written));
  const emitted = classes.map((nodeClass, i) => ({
    nodeClass,
    template: templates[i] ?? fail("EMPTY_POOL", "a class without a template"),
  }));
  const proof = prove(emitted, guest, lines);
  if (proof.violations.length > 0) return refused(...unreachableFields(proof.violations));
  const { moves, refusals } = judgePlan(
    emitted.map(({ nodeClass: { id, profiles }, template }) => ({ id, template, profiles })),
    { vendor, lines, accept: options.accept },
  );
  if (refusals.length > 0) return refused(...refusals);

  const files = nameFiles(
    classes.map(({ id }) => id),
    templates,
  );
  const given = givenUp(merged, reasons, classes.length);
  const anomalies = findAnomalies(merged, classes);
  const level = levelOf(new Set(guest.features));
  return {
    ok: true,
    plan: {
      arch: "x86_64",
      vendor,
      firecracker: lines,
      identity,
      level,
      classes: emitted.map(({ nodeClass, template }, i) => ({
        nodeClass,
        template,
        file: files[i] ?? "",
        givesUp: given[i] ?? [],
      })),
      guest,
      united: united(merged, classes),
      levelled: levelled(merged, classes),
      masked: masked(merged, views, classes),
      residuals: residuals(merged, views, classes, identity === undefined),
      anomalies,
      warnings: [
        ...identityWarnings(classes, policy),
        ...estimateWarnings(classes),
        ...anomalyWarnings(anomalies),
        ...floorWarnings(level),
      ],
      moves,
      proof,
    },
  };
}
