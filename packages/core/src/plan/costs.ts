/** What the plan costs and changes, as data: a report or a program renders it. */
import { groupBy } from "../group.ts";
import { bitRange, wordAddress } from "../format/address.ts";
import type { GuestView } from "../firecracker/simulate.ts";
import type { NodeClass } from "../profile/class.ts";
import { wordAt } from "../profile/state.ts";
import type { RowLoss } from "../tables/field.ts";
import { AARCH32_GROUP } from "../tables/groups.ts";
import { isAnnouncement } from "../tables/masks.ts";
import { isPresent } from "../tables/merge-rules.ts";
import { reservedAt } from "../tables/registers.ts";
import { isCountedFeature } from "./guest-cpu.ts";
import { placesOfWords, type Merged, type MergedField, type Reason } from "./merge.ts";

interface NamedField {
  readonly name: string;
  readonly address: string;
  readonly title: string;
  readonly group: string;
}

export interface GivenUp extends NamedField {
  readonly loss: RowLoss;
  readonly reason: Reason;
  /** The field's value in the class and in the pool: `1` and `0`, or `2` and `1` on aarch64. */
  readonly from: number;
  readonly to: number;
}

/** A weakness or needed action that guests see everywhere because some class has it. */
export interface United extends NamedField {
  readonly addedTo: readonly string[];
}

export interface Levelled extends NamedField {
  readonly value: number;
  readonly classes: readonly { readonly class: string; readonly value: number }[];
}

/** Bits without a row that some class shows and guests will not see. */
export interface Masked {
  readonly address: string;
  readonly classes: readonly string[];
}

/** An allowed difference between guests of different classes. */
export interface Residual {
  readonly address: string;
  readonly what: string;
  readonly kind: "topology" | "owned" | "state" | "identity";
  readonly groups: readonly (readonly string[])[];
}

function named({ field, address }: MergedField): NamedField {
  const { name, title, group } = field;
  return { name, address, title, group };
}

/** ID registers of AArch32 are not listed where `EL0` already says that AArch32 is gone. */
function isSaidByEl0({ field }: MergedField, { features }: Merged): boolean {
  if (field.group !== AARCH32_GROUP || !("id" in field)) return false;
  return !field.register.startsWith("ID_AA64") && (features.get("EL0")?.value ?? 0n) < 2n;
}

/** What each class offers and the pool does not, in the order of the classes. */
export function givenUp(merged: Merged, classes: number): GivenUp[][] {
  const features = merged.fields.filter((f) => isCountedFeature(f) && !isSaidByEl0(f, merged));
  return Array.from({ length: classes }, (_, i) =>
    features.flatMap((merging) => {
      const { field, values, value, reason = { kind: "absent" } } = merging;
      const own = values[i] ?? 0n;
      if (own === value || !isPresent(own, field)) return [];
      const lost = { loss: field.loss, reason, from: Number(own), to: Number(value) };
      return [{ ...named(merging), ...lost }];
    }),
  );
}

function idsWhere(classes: readonly NodeClass[], test: (index: number) => boolean): string[] {
  return classes.filter((_, i) => test(i)).map(({ id }) => id);
}

export function united(merged: Merged, classes: readonly NodeClass[]): United[] {
  return merged.fields
    .filter(({ field, value }) => isAnnouncement(field.kind) && value !== 0n)
    .map((merging) => ({
      ...named(merging),
      addedTo: idsWhere(classes, (i) => merging.values[i] !== merging.value),
    }))
    .filter(({ addedTo }) => addedTo.length > 0);
}

/** Numbers of a component or a facility follow from a feature; only free-standing ones count. */
function isFreeStanding({ field }: MergedField): boolean {
  const numeric = field.kind === "minimum" || field.kind === "derived";
  return numeric && field.of === undefined;
}

export function levelled(merged: Merged, classes: readonly NodeClass[]): Levelled[] {
  return merged.fields
    .filter((f) => isFreeStanding(f) && f.values.some((v) => v !== f.value))
    .map((merging) => ({
      ...named(merging),
      value: Number(merging.value),
      classes: classes.map(({ id }, i) => ({ class: id, value: Number(merging.values[i] ?? 0n) })),
    }));
}

function bitsOf(mask: bigint): string {
  const ranges: string[] = [];
  for (let lo = 0; lo < 64; lo++) {
    if (((mask >> BigInt(lo)) & 1n) === 0n) continue;
    let hi = lo;
    while (((mask >> BigInt(hi + 1)) & 1n) === 1n) hi++;
    ranges.push(bitRange(hi, lo));
    lo = hi;
  }
  return ranges.join("");
}

export function masked(
  merged: Merged,
  views: readonly GuestView[],
  classes: readonly NodeClass[],
): Masked[] {
  return placesOfWords(merged).flatMap((place): Masked[] => {
    const mask = reservedAt(merged.type, place);
    const words = views.map((view) => (wordAt(view, place) ?? 0n) & mask);
    const all = words.reduce((a, b) => a | b, 0n);
    if (all === 0n) return [];
    const address = `${wordAddress(place)}${bitsOf(all)}`;
    return [{ address, classes: idsWhere(classes, (i) => (words[i] ?? 0n) !== 0n) }];
  });
}

export function groupClasses(
  classes: readonly Pick<NodeClass, "id">[],
  values: readonly string[],
): string[][] {
  const groups = groupBy([...classes.entries()], ([i]) => values[i]);
  return [...groups.values()].map((own) => own.map(([, { id }]) => id));
}
