/**
 * What some members need and the pool's model does not make a guest's kernel do. Where a bit that
 * announces a weakness makes it do so on any model, every guest is shown that bit.
 */
import type { NodeClass } from "../profile/class.ts";
import { BUGS, type BugId } from "../tables/bugs.ts";
import { compareModels, nameModel } from "../tables/compare-models.ts";
import type { Identity } from "./identity.ts";
import type { Merged, MergedField } from "./merge.ts";

type Fields = ReadonlyMap<string, MergedField>;

/** The weakness to show for a bug, if every class can show it. */
function tellingBit(fields: Fields, bug: BugId): MergedField | undefined {
  return BUGS[bug].coveredBy
    .flatMap((name) => fields.get(name) ?? [])
    .find(({ field, present }) => {
      const visible = field.of === undefined || fields.get(field.of)?.value === 1n;
      return field.kind === "union" && present.every(Boolean) && visible;
    });
}

/** Sets what tells guests of bugs that their model does not have; the identity's reason says so. */
export function tellMitigations(
  merged: Merged,
  classes: readonly NodeClass[],
  identity: Identity,
): Identity {
  const fields = new Map(merged.fields.map((merging) => [merging.field.name, merging]));
  const guestHas = (name: string) => (fields.get(name)?.value ?? 0n) !== 0n;
  const shown = nameModel(merged.type, identity);
  const told = new Set<string>();
  for (const [i, { model }] of classes.entries()) {
    const { signature, name: needy } = model;
    if (signature === undefined) continue;
    const nodeHas = (name: string) => (fields.get(name)?.values[i] ?? 0n) !== 0n;
    const own = nameModel(merged.type, signature);
    const { lacking } = compareModels(shown, own, guestHas, nodeHas);
    for (const bit of lacking.flatMap((bug) => tellingBit(fields, bug) ?? [])) {
      bit.value = 1n;
      told.add(`${bit.field.name} tells them what ${needy} needs`);
    }
  }
  return { ...identity, reason: [identity.reason, ...told].join("; ") };
}
