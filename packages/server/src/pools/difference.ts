/** What a plan version changes, compared with the one that runs. Pure. */
import type { PlanDifference } from "@evenkeel/api";

/** Of `plan.json`, what is compared. */
export interface PlanParts {
  readonly firecracker: readonly string[];
  readonly identity: string | null;
  readonly features: readonly string[];
  /** Templates' texts by the class's id. */
  readonly templates: ReadonlyMap<string, string>;
}

/** Members of `b` that `a` lacks. */
function added(a: Iterable<string>, b: Iterable<string>): string[] {
  const known = new Set(a);
  return [...new Set(b)].filter((item) => !known.has(item)).toSorted();
}

const NOTHING: PlanParts = { firecracker: [], identity: null, features: [], templates: new Map() };

export function differenceOf(
  from: { readonly version: number; readonly parts: PlanParts } | undefined,
  to: PlanParts,
  contractsAffected: readonly string[],
): PlanDifference {
  const before = from?.parts ?? NOTHING;
  const [old, now] = [before.templates, to.templates];
  return {
    from: from?.version ?? null,
    gained: from === undefined ? [] : added(before.features, to.features),
    lost: from === undefined ? [] : added(to.features, before.features),
    classesAdded: added(old.keys(), now.keys()),
    classesRemoved: added(now.keys(), old.keys()),
    templatesChanged: [...now.keys()]
      .filter((id) => old.has(id) && old.get(id) !== now.get(id))
      .toSorted(),
    firecrackerAdded: from === undefined ? [] : added(before.firecracker, to.firecracker),
    firecrackerRemoved: from === undefined ? [] : added(to.firecracker, before.firecracker),
    identity:
      from === undefined || before.identity === to.identity
        ? null
        : { from: before.identity, to: to.identity },
    contractsAffected: [...contractsAffected],
  };
}

interface PlanJson {
  readonly firecracker?: unknown;
  readonly identity?: unknown;
  readonly guestCpu?: { readonly features?: unknown };
  readonly classes?: unknown;
}

/** The parts of a plan that the core made, as JSON, and its templates by file. */
export function partsOf(plan: PlanJson, templates: Readonly<Record<string, string>>): PlanParts {
  const classes = plan.classes as readonly { readonly id: string; readonly template: string }[];
  return {
    firecracker: plan.firecracker as readonly string[],
    identity: plan.identity === null ? null : JSON.stringify(plan.identity ?? null),
    features: plan.guestCpu?.features as readonly string[],
    templates: new Map(classes.map(({ id, template }) => [id, templates[template] ?? ""])),
  };
}
