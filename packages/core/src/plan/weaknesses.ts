/** Weaknesses of a pool that cannot be announced to every guest, because of some class. */
import { listOf } from "../format/text.ts";
import type { NodeClass } from "../profile/class.ts";
import { backingText } from "../format/backing.ts";
import { isBacked } from "../tables/backing.ts";
import { isAnnouncement } from "../tables/masks.ts";
import type { Merged } from "./merge.ts";
import { refusal, someOf, type Refusal } from "./refuse.ts";

/** Weaknesses that cannot be shown everywhere; hiding them would mislead guests. */
function unreachableWeaknesses(merged: Merged, classes: readonly NodeClass[]): Refusal[] {
  const shown = new Map(merged.fields.map(({ field, value }) => [field.name, value]));
  return merged.fields.flatMap((merging): Refusal[] => {
    const { field, address, value, values, present } = merging;
    if (!isAnnouncement(field.kind) || values.every((v) => v === 0n)) return [];
    const announcing = classes.filter((_, i) => values[i] !== 0n).map(({ id }) => id);
    const without = classes.filter((_, i) => !present[i]).map(({ id }) => id);
    // Without ARCH_CAPABILITIES no guest reads the MSR, whatever stands in it.
    const untold = field.of !== undefined && shown.get(field.of) === 0n;
    const hidden = value === 0n || untold;
    if (!hidden && without.length === 0) return [];
    const why = untold
      ? `guests do not see ${field.of}`
      : hidden
        ? "its leaf is above the lowered maximum"
        : `absent on ${listOf(without)}`;
    const message =
      `${field.name} (${address}, ${field.title}) must be shown to every guest, ` +
      `because ${listOf(announcing)} reports it, but cannot be shown: ${why}`;
    const hint = "Upgrade the host kernel of those nodes, or plan them as a separate pool.";
    const nodes = classes.filter((_, i) => !present[i]).flatMap((c) => c.nodes);
    return [refusal("unreachable", message, hint, nodes)];
  });
}

/** Remedies that some class announces, and that another class lacks and needs. */
function unbackedRemedies(merged: Merged, classes: readonly NodeClass[]): Refusal[] {
  const byName = new Map(merged.fields.map((merging) => [merging.field.name, merging]));
  return merged.fields.flatMap(({ field, address, values }): Refusal[] => {
    if (field.kind !== "remedy" || values.every((v) => v === 0n)) return [];
    const has = (i: number) => (name: string) => (byName.get(name)?.values[i] ?? 0n) !== 0n;
    const lacking = classes.filter((_, i) => values[i] === 0n && !isBacked(field.backedBy, has(i)));
    if (lacking.length === 0) return [];
    const having = classes.filter((_, i) => values[i] !== 0n).map(({ id }) => id);
    const message =
      `guests must be able to rely on ${field.name} (${address}, ${field.title}), ` +
      `as ${someOf(having)} report${having.length === 1 ? "s" : ""}; without it, and without ` +
      `${backingText(field)}: ${someOf(lacking.map(({ id }) => id))}`;
    const hint =
      "Update the microcode and the kernel of those nodes, or plan them separately (--split).";
    const nodes = lacking.flatMap((c) => c.nodes);
    return [refusal("microcode", message, hint, nodes)];
  });
}

export function refuseWeaknesses(merged: Merged, classes: readonly NodeClass[]): Refusal[] {
  return [...unreachableWeaknesses(merged, classes), ...unbackedRemedies(merged, classes)];
}
