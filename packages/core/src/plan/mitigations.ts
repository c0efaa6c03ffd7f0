/**
 * What some members need and the pool's model does not make a guest's kernel do. Where a bit that
 * announces a weakness makes it do so on any model, every guest is shown that bit.
 */
import { listOf } from "../format/text.ts";
import { modelName, type NodeClass } from "../profile/class.ts";
import { BUGS, compareModels, titlesOf, type BugId } from "../tables/bugs.ts";
import type { Identity } from "./identity.ts";
import type { Merged, MergedField } from "./merge.ts";

interface Told {
  readonly identity: Identity | undefined;
  readonly warnings: readonly string[];
}

type Fields = ReadonlyMap<string, MergedField>;

/** The weakness to show for a bug, if every class can show it. */
function tellingBit(fields: Fields, bug: BugId): MergedField | undefined {
  return BUGS[bug].coveredBy
    .flatMap((name) => fields.get(name) ?? [])
    .find(({ field, present }) => {
      const visible = field.of === undefined || fields.get(field.of)?.value === 1;
      return field.kind === "union" && present.every(Boolean) && visible;
    });
}

/** Sets what tells guests of bugs that their model does not have, and warns of the rest. */
export function tellMitigations(
  merged: Merged,
  classes: readonly NodeClass[],
  identity: Identity | undefined,
): Told {
  if (identity === undefined) return { identity, warnings: [] };
  const fields = new Map(merged.fields.map((merging) => [merging.field.name, merging]));
  const guestHas = (name: string) => (fields.get(name)?.value ?? 0) !== 0;
  const told = new Set<string>();
  const warnings = classes.flatMap(({ id, signature }, i): string[] => {
    const nodeHas = (name: string) => (fields.get(name)?.values[i] ?? 0) !== 0;
    const match = () => compareModels(merged.vendor, identity, signature, guestHas, nodeHas);
    const { kind, lacking } = match();
    for (const bit of lacking.flatMap((bug) => tellingBit(fields, bug) ?? [])) {
      bit.value = 1;
      told.add(`${bit.field.name} tells them what ${modelName(merged.vendor, signature)} needs`);
    }
    const left = match().lacking;
    const guests = `Guests take ${id} for ${identity.name}`;
    if (left.length > 0) {
      const what = listOf(titlesOf(left));
      return [`${guests}: their kernels do not mitigate ${what} there. Plan it as another pool.`];
    }
    return kind === "newer" ? [`${guests}, which is newer: they leave mitigations off.`] : [];
  });
  const reason = [identity.reason, ...told].join("; ");
  return { identity: { ...identity, reason }, warnings };
}
