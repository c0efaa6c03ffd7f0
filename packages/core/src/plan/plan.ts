/** Planning classes: one guest CPU, a template per class that yields it, price and proof. */
import type { NodeClass } from "../profile/class.ts";
import type { CpuType } from "../tables/field.ts";
import { ALL_LINES } from "../tables/releases.ts";
import type { CpuTemplate } from "../template/template.ts";
import type { Anomaly } from "./anomalies.ts";
import {
  givenUp,
  levelled,
  masked,
  united,
  type GivenUp,
  type Levelled,
  type Masked,
  type Residual,
  type United,
} from "./costs.ts";
import { designPool, type DesignOptions } from "./design.ts";
import type { GuestCpu } from "./guest-cpu.ts";
import type { Identity } from "./identity.ts";
import { judgePlan } from "./judge.ts";
import type { Accept, PlanMoves } from "./moves.ts";
import type { Proof } from "./prove.ts";
import type { Refusal } from "./refuse.ts";
import { STEPS, type Pool } from "./steps.ts";
import { formatTemplate } from "../template/format.ts";

export interface PlanOptions extends DesignOptions {
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
  readonly type: CpuType;
  readonly firecracker: readonly string[];
  /** Undefined: every class keeps its own (`--identity keep`, and always on aarch64). */
  readonly identity: Identity | undefined;
  /** x86 only. */
  readonly level: string | undefined;
  readonly classes: readonly PlannedClass[];
  readonly guest: GuestCpu;
  readonly united: readonly United[];
  readonly levelled: readonly Levelled[];
  readonly masked: readonly Masked[];
  readonly residuals: readonly Residual[];
  /** x86 only. */
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

/** Plans classes that are known to be complete and of one type. */
export function planClasses(classes: readonly NodeClass[], options: PlanOptions): PlanResult {
  const designed = designPool(classes, options);
  if (!designed.ok) return designed;
  const { pool } = designed;
  const { moves, refusals } = judgePlan(
    pool.emitted.map(({ nodeClass: { id, profiles }, template }) => ({ id, template, profiles })),
    { type: pool.merged.type, lines: pool.lines, accept: options.accept },
  );
  return refusals.length > 0 ? refused(...refusals) : { ok: true, plan: describePlan(pool, moves) };
}

export function describePlan(pool: Pool, moves: PlanMoves): Plan {
  const { classes, views, merged, lines, identity, level, guest, proof, anomalies } = pool;
  const steps = STEPS[merged.type];
  return {
    type: merged.type,
    firecracker: lines,
    identity,
    level,
    classes: plannedClasses(pool),
    guest,
    united: united(merged, classes),
    levelled: levelled(merged, classes),
    masked: masked(merged, views, classes),
    residuals: steps.residuals(pool),
    anomalies,
    warnings: steps.warnings(pool),
    moves,
    proof,
  };
}

function plannedClasses({ emitted, merged }: Pool): PlannedClass[] {
  const given = givenUp(merged, emitted.length);
  const files = nameFiles(
    emitted.map(({ nodeClass }) => nodeClass.id),
    emitted.map(({ template }) => template),
  );
  return emitted.map((one, i) => ({ ...one, file: files[i] ?? "", givesUp: given[i] ?? [] }));
}

/** One file per class, or a single one where the same template serves all. */
function nameFiles(ids: readonly string[], templates: readonly CpuTemplate[]): string[] {
  const texts = new Set(templates.map(formatTemplate));
  const shared = ids.length > 1 && texts.size === 1;
  return ids.map((id) => `templates/${shared ? "pool" : id}.json`);
}
