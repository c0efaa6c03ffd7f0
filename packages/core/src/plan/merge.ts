/** Merging: each field of every CPUID register and feature MSR over all classes, by its kind. */
import { extract32, extract64 } from "../bits.ts";
import { compareEntries, entryKey, REGISTERS, type Register } from "../cpuid.ts";
import type { GuestView } from "../firecracker/simulate.ts";
import type { CpuidField, Kind, MsrField, Vendor } from "../tables/field.ts";
import { cpuidFields, msrFields } from "../tables/lookup.ts";
import { isFeatureMsr, isFree } from "../tables/masks.ts";

type FieldPlace =
  | { readonly leaf: number; readonly subleaf: number; readonly register: Register }
  | { readonly addr: number };

/** A field and its value in each class and in the pool. Numbers wider than 32 bits are features. */
export interface MergedField {
  readonly field: CpuidField | MsrField;
  readonly place: FieldPlace;
  /** One per class, in the order of the classes. */
  readonly values: readonly number[];
  /** One per class: whether the class has the CPUID entry or the MSR at all. */
  readonly present: readonly boolean[];
  /** The pool's value; later steps lower it. */
  value: number;
}

export interface EntryPlace {
  readonly leaf: number;
  readonly subleaf: number;
}

export interface Merged {
  readonly vendor: Vendor;
  readonly fields: readonly MergedField[];
  /** The features by name. */
  readonly features: ReadonlyMap<string, MergedField>;
  /** Every CPUID entry that some class has, sorted. */
  readonly places: readonly EntryPlace[];
  /** Every feature MSR that some class has, sorted. */
  readonly msrs: readonly number[];
}

const MERGE: Readonly<Record<Kind, (values: readonly number[]) => number>> = {
  feature: (values) => Math.min(...values),
  union: (values) => values.reduce((all, value) => (all | value) >>> 0, 0),
  remedy: (values) => Math.max(...values),
  minimum: (values) => Math.min(...values),
  derived: (values) => Math.min(...values),
  identity: (values) => values[0] ?? 0,
  topology: () => 0,
  owned: () => 0,
  state: () => 0,
};

function placesOf(views: readonly GuestView[]): EntryPlace[] {
  const places = new Map<string, EntryPlace>();
  for (const { cpuid } of views) {
    for (const [key, { leaf, subleaf }] of cpuid) places.set(key, { leaf, subleaf });
  }
  return [...places.values()].toSorted(compareEntries);
}

function mergeRegister(
  vendor: Vendor,
  views: readonly GuestView[],
  { leaf, subleaf }: EntryPlace,
  register: Register,
): MergedField[] {
  const key = entryKey(leaf, subleaf);
  const entries = views.map(({ cpuid }) => cpuid.get(key));
  const present = entries.map((entry) => entry !== undefined);
  return cpuidFields(vendor, leaf, subleaf, register)
    .filter(({ kind }) => !isFree(kind))
    .map((field) => {
      const values = entries.map((entry) => extract32(entry?.[register] ?? 0, field.hi, field.lo));
      const place = { leaf, subleaf, register };
      return { field, place, values, present, value: MERGE[field.kind](values) };
    });
}

function mergeMsr(vendor: Vendor, views: readonly GuestView[], addr: number): MergedField[] {
  const contents = views.map(({ msrs }) => msrs.get(addr));
  const present = contents.map((content) => content !== undefined);
  return msrFields(vendor, addr)
    .filter(({ kind }) => !isFree(kind))
    .map((field) => {
      const values = contents.map((c) => Number(extract64(c ?? 0n, field.hi, field.lo)));
      return { field, place: { addr }, values, present, value: MERGE[field.kind](values) };
    });
}

/** Merges the guests that the classes show without a template. */
export function merge(vendor: Vendor, views: readonly GuestView[]): Merged {
  const places = placesOf(views);
  const addresses = new Set(views.flatMap(({ msrs }) => [...msrs.keys()]));
  const msrs = [...addresses]
    .filter((addr) => isFeatureMsr(vendor, addr))
    .toSorted((a, b) => a - b);
  const fields = [
    ...places.flatMap((place) =>
      REGISTERS.flatMap((register) => mergeRegister(vendor, views, place, register)),
    ),
    ...msrs.flatMap((addr) => mergeMsr(vendor, views, addr)),
  ];
  const features = new Map(
    fields.filter((f) => f.field.kind === "feature").map((f) => [f.field.name, f]),
  );
  return { vendor, fields, features, places, msrs };
}
