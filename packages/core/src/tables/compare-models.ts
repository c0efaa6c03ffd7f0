/** What a guest that is shown another model than its node's leaves unmitigated. */
import { BUGS, type Bug, type BugId } from "./bugs.ts";
import type { CpuType } from "./field.ts";
import { fieldByName } from "./lookup.ts";
import { formatFms, modelOf, type FamilyModelStepping } from "./models.ts";
import type { Model } from "./models/model.ts";

/** Whether a guest or a node has a bit, by the field's name. */
export type HasBit = (name: string) => boolean;

/** A bit of an MSR says nothing to a guest that does not see that the MSR exists. */
function sees(has: HasBit, name: string): boolean {
  const of = fieldByName(name)?.of;
  return has(name) && (of === undefined || has(of));
}

interface ModelMatch {
  readonly kind: "same" | "older" | "newer" | "unknown";
  /** Bugs of the node that the guest's kernel does not mitigate; empty where nothing is known. */
  readonly lacking: readonly BugId[];
}

export interface NamedModel {
  /** Family, model and stepping as text: `6/106/6`. */
  readonly fms: string;
  readonly model: Model | undefined;
}

export function nameModel(type: CpuType, fms: FamilyModelStepping): NamedModel {
  return { fms: formatFms(fms), model: modelOf(type, fms) };
}

/** What a guest that is shown one model leaves unmitigated on a node of another. */
export function compareModels(
  shown: NamedModel,
  own: NamedModel,
  guestHas: HasBit,
  nodeHas: HasBit,
): ModelMatch {
  if (shown.fms === own.fms) return { kind: "same", lacking: [] };
  const [from, to] = [shown.model, own.model];
  if (from === undefined || to === undefined) return { kind: "unknown", lacking: [] };
  const lacking = to.bugs.filter((id) => {
    if (from.bugs.includes(id)) return false;
    const { coveredBy, absentWith }: Bug = BUGS[id];
    const absent = absentWith.some((names) => names.every((name) => sees(nodeHas, name)));
    return !absent && !coveredBy.some((name) => sees(guestHas, name));
  });
  return { kind: from.launched <= to.launched ? "older" : "newer", lacking };
}
