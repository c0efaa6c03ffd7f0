/** What the plan costs and changes, as data: a report or a program renders it. */
import {
  bitRange,
  fieldAddress,
  leafAddress,
  msrAddress,
  registerAddress,
} from "../format/address.ts";
import { entryKey, REGISTERS, type Register } from "../cpuid.ts";
import type { GuestView } from "../firecracker/simulate.ts";
import type { NodeClass } from "../profile/class.ts";
import type { CpuidField, MsrField } from "../tables/field.ts";
import { cpuidFields, msrFields } from "../tables/lookup.ts";
import { isAnnouncement, isFree, reservedMask, reservedMsrMask } from "../tables/masks.ts";
import type { Reason, Reasons } from "./close.ts";
import { isCountedFeature } from "./guest.ts";
import type { Merged, MergedField } from "./merge.ts";

export interface NamedField {
  readonly name: string;
  readonly address: string;
  readonly title: string;
  readonly group: string;
}

export interface GivenUp extends NamedField {
  readonly loss: CpuidField["loss"];
  readonly reason: Reason;
}

/** A weakness or needed action that guests see everywhere because some class has it. */
export interface United extends NamedField {
  /** Classes that would not have shown it. */
  readonly addedTo: readonly string[];
}

/** A number that some class must lower or change. */
export interface Levelled extends NamedField {
  readonly value: number;
  readonly classes: readonly { readonly class: string; readonly value: number }[];
}

/** Bits without a row that some class shows and guests will not see. */
export interface Masked {
  readonly address: string;
  readonly classes: readonly string[];
}

/** Something that still differs between guests of different classes, and may. */
export interface Residual {
  readonly address: string;
  readonly what: string;
  readonly kind: "topology" | "owned" | "state" | "identity";
  /** Groups of classes that show the same. */
  readonly groups: readonly (readonly string[])[];
}

function named(field: CpuidField | MsrField): NamedField {
  const { name, title, group } = field;
  return { name, address: fieldAddress(field), title, group };
}

/** What each class offers and the pool does not, in the order of the classes. */
export function givenUp(merged: Merged, reasons: Reasons, classes: number): GivenUp[][] {
  const lost = merged.fields.filter((f) => isCountedFeature(f) && f.value === 0);
  return Array.from({ length: classes }, (_, i) =>
    lost
      .filter(({ values }) => (values[i] ?? 0) !== 0)
      .map(({ field }) => ({
        ...named(field),
        loss: field.loss,
        reason: reasons.get(field.name) ?? { kind: "absent" },
      })),
  );
}

function idsWhere(classes: readonly NodeClass[], test: (index: number) => boolean): string[] {
  return classes.filter((_, i) => test(i)).map(({ id }) => id);
}

export function united(merged: Merged, classes: readonly NodeClass[]): United[] {
  return merged.fields
    .filter(({ field, value }) => isAnnouncement(field.kind) && value !== 0)
    .map(({ field, values, value }) => ({
      ...named(field),
      addedTo: idsWhere(classes, (i) => values[i] !== value),
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
    .map(({ field, value, values }) => ({
      ...named(field),
      value,
      classes: classes.map(({ id }, i) => ({ class: id, value: values[i] ?? 0 })),
    }));
}

export function bitsOf(mask: bigint): string {
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
  const { vendor } = merged;
  const result: Masked[] = [];
  const add = (address: string, words: readonly bigint[]) => {
    const all = words.reduce((a, b) => a | b, 0n);
    if (all === 0n) return;
    result.push({
      address: `${address}${bitsOf(all)}`,
      classes: idsWhere(classes, (i) => (words[i] ?? 0n) !== 0n),
    });
  };
  for (const { leaf, subleaf } of merged.places) {
    for (const register of REGISTERS) {
      const mask = reservedMask(vendor, leaf, subleaf, register);
      const words = wordsAt(views, leaf, subleaf, register).map((w) => BigInt((w & mask) >>> 0));
      add(registerAddress(leaf, subleaf, register), words);
    }
  }
  for (const addr of merged.msrs) {
    const mask = reservedMsrMask(vendor, addr);
    add(
      msrAddress(addr),
      views.map(({ msrs }) => (msrs.get(addr) ?? 0n) & mask),
    );
  }
  return result;
}

function wordsAt(
  views: readonly GuestView[],
  leaf: number,
  subleaf: number,
  register: Register,
): number[] {
  const key = entryKey(leaf, subleaf);
  return views.map(({ cpuid }) => cpuid.get(key)?.[register] ?? 0);
}

export function groupClasses(
  classes: readonly Pick<NodeClass, "id">[],
  values: readonly string[],
): string[][] {
  const groups = new Map<string, string[]>();
  for (const [i, { id }] of classes.entries()) {
    const value = values[i] ?? "";
    groups.set(value, [...(groups.get(value) ?? []), id]);
  }
  return [...groups.values()];
}

/** Free fields that differ, one residual per leaf. */
function freeLeaves(
  merged: Merged,
  views: readonly GuestView[],
  classes: readonly NodeClass[],
): Residual[] {
  const leaves = new Map<number, { fields: CpuidField[]; values: string[] }>();
  for (const { leaf, subleaf } of merged.places) {
    for (const register of REGISTERS) {
      const free = cpuidFields(merged.vendor, leaf, subleaf, register).filter((f) =>
        isFree(f.kind),
      );
      if (free.length === 0) continue;
      const words = wordsAt(views, leaf, subleaf, register);
      for (const field of free) {
        const values = words.map((w) => (w >>> field.lo) % 2 ** (field.hi - field.lo + 1));
        if (new Set(values).size < 2) continue;
        const known = leaves.get(leaf) ?? { fields: [], values: classes.map(() => "") };
        known.fields.push(field);
        known.values = known.values.map((text, i) => `${text},${values[i]}`);
        leaves.set(leaf, known);
      }
    }
  }
  return [...leaves].map(([leaf, { fields, values }]) => ({
    address: leafAddress(leaf, 0)
      .replace(/,ECX=0\)/, ")")
      .replace(/\(EAX=([0-9A-F]+H)\)/, "$1"),
    what: [...new Set(fields.map(({ title }) => title))].join(", "),
    kind: fields.some(({ kind }) => kind === "topology") ? "topology" : "owned",
    groups: groupClasses(classes, values),
  }));
}

/** MSRs of a vCPU's state that only some classes have, unless their feature is gone anyway. */
function stateMsrs(
  merged: Merged,
  views: readonly GuestView[],
  classes: readonly NodeClass[],
): Residual[] {
  const addresses = new Set(views.flatMap(({ msrs }) => [...msrs.keys()]));
  return [...addresses]
    .toSorted((a, b) => a - b)
    .flatMap((addr): Residual[] => {
      const has = views.map(({ msrs }) => msrs.has(addr));
      if (has.every(Boolean) || merged.msrs.includes(addr)) return [];
      const field = msrFields(merged.vendor, addr)[0];
      if (field?.of !== undefined && (merged.features.get(field.of)?.value ?? 0) === 0) return [];
      return [
        {
          address: msrAddress(addr),
          what: `${field?.title ?? "an MSR without a row"}, only on some`,
          kind: "state",
          groups: groupClasses(classes, has.map(String)),
        },
      ];
    });
}

export function residuals(
  merged: Merged,
  views: readonly GuestView[],
  classes: readonly NodeClass[],
  keepIdentity: boolean,
): Residual[] {
  const identity = merged.fields
    .filter((f) => keepIdentity && f.field.kind === "identity" && new Set(f.values).size > 1)
    .map(({ field, values }): Residual => ({
      address: fieldAddress(field),
      what: field.title,
      kind: "identity",
      groups: groupClasses(classes, values.map(String)),
    }));
  return [...identity, ...freeLeaves(merged, views, classes), ...stateMsrs(merged, views, classes)];
}
