/** Merging: each field of every register that says what the CPU is, over all classes, by its rule. */
import { readField } from "../bits.ts";
import { compareEntries, REGISTERS } from "../cpuid.ts";
import type { GuestView } from "../firecracker/simulate.ts";
import { fieldAddress } from "../format/address.ts";
import { wordAt } from "../profile/state.ts";
import { isFirmware } from "../tables/arm/lookup.ts";
import type { AnyField, CpuType } from "../tables/field.ts";
import { isPlanned } from "../tables/masks.ts";
import { isPresent, safeValue } from "../tables/merge-rules.ts";
import {
  compareIds,
  isPlannedRegister,
  fieldsAt,
  type RegisterId,
  type WordPlace,
} from "../tables/registers.ts";

export type Reason =
  | { readonly kind: "absent" }
  | { readonly kind: "forbidden" }
  | { readonly kind: "requires"; readonly feature: string }
  | { readonly kind: "unused"; readonly by: readonly string[] }
  | { readonly kind: "layout"; readonly field: string }
  | { readonly kind: "hidden"; readonly level: string }
  | { readonly kind: "unverifiable" };

export interface EntryPlace {
  readonly leaf: number;
  readonly subleaf: number;
}

export interface MergedField {
  readonly field: AnyField;
  readonly place: WordPlace;
  readonly address: string;
  /** One per class, in the order of the classes; zero where the class has no such register. */
  readonly values: readonly bigint[];
  /** One per class: whether the class has the CPUID entry or the register at all. */
  readonly present: readonly boolean[];
  /** The pool's value; later steps lower it. */
  value: bigint;
  /** Why a feature was dropped for another reason than a class that lacks it. */
  reason: Reason | undefined;
}

export interface Merged {
  readonly type: CpuType;
  readonly fields: readonly MergedField[];
  readonly features: ReadonlyMap<string, MergedField>;
  /** Every CPUID entry that some class has, sorted. */
  readonly places: readonly EntryPlace[];
  /** Every register that some class has and a plan decides over, sorted. */
  readonly registers: readonly RegisterId[];
}

export function has({ features }: Merged, name: string): boolean {
  const feature = features.get(name);
  return feature !== undefined && isPresent(feature.value, feature.field);
}

function placesOf(views: readonly GuestView[]): EntryPlace[] {
  const places = new Map<string, EntryPlace>();
  for (const { cpuid } of views) {
    for (const [key, { leaf, subleaf }] of cpuid) places.set(key, { leaf, subleaf });
  }
  return [...places.values()].toSorted(compareEntries);
}

function mergeWord(type: CpuType, views: readonly GuestView[], place: WordPlace): MergedField[] {
  const words = views.map((view) => wordAt(view, place));
  const present = words.map((word) => word !== undefined);
  return fieldsAt(type, place)
    .filter(isPlanned)
    .map((field): MergedField => {
      const values = words.map((word) => readField(word ?? 0n, field));
      // Without a register of the firmware a node has no limit there; it does not lack the service.
      const isUnlimited = "id" in field && isFirmware(field.id);
      const known = isUnlimited ? values.filter((_, i) => present[i]) : values;
      const value = safeValue(known, field);
      const address = fieldAddress(field);
      return { field, place, address, values, present, value, reason: undefined };
    });
}

/** The words of some CPUID entries and registers. */
export function placesOfWords({ places, registers }: Pick<Merged, "places" | "registers">) {
  const cpuid = places.flatMap((place) => REGISTERS.map((register) => ({ ...place, register })));
  return [...cpuid, ...registers.map((id) => ({ id }))];
}

export function merge(type: CpuType, views: readonly GuestView[]): Merged {
  const places = placesOf(views);
  const ids = new Set(views.flatMap((view) => [...view.registers.keys()]));
  const registers = [...ids].filter((id) => isPlannedRegister(type, id)).toSorted(compareIds);
  const words = placesOfWords({ places, registers });
  const fields = words.flatMap((place) => mergeWord(type, views, place));
  const features = new Map(
    fields.filter((f) => f.field.kind === "feature").map((f) => [f.field.name, f]),
  );
  return { type, fields, features, places, registers };
}
