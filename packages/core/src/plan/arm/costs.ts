/** What a plan costs an aarch64 pool, as data. */
import type { CpuidField } from "../../tables/field.ts";
import {
  bitsOf,
  groupClasses,
  type Levelled,
  type Masked,
  type NamedField,
  type Residual,
  type United,
} from "../costs.ts";
import { armAddress } from "../../format/address.ts";
import type { ArmClass } from "../../profile/arm/class.ts";
import type { ArmField } from "../../tables/arm/field.ts";
import {
  armRegisterName,
  armReservedMask,
  isCacheGeometry,
  isPlanned,
} from "../../tables/arm/lookup.ts";
import type { ArmMerged } from "./merge.ts";
import { isPresent } from "../../tables/arm/value.ts";

export interface ArmGivenUp extends NamedField {
  readonly loss: CpuidField["loss"];
  /** The field's value in the class and in the pool: `2` and `1`, or `1` and `0`. */
  readonly from: number;
  readonly to: number;
  /** Set where the field goes because this feature did. */
  readonly requires: string | undefined;
}

function named({ field }: ArmMerged): NamedField {
  const { name, title, group } = field;
  return { name, address: armAddress(field), title, group };
}

/** Without AArch32 its own ID registers say nothing; `EL0` says that it went. */
function isSaidByEl0({ field }: ArmMerged, merged: readonly ArmMerged[]): boolean {
  if (field.register.startsWith("ID_AA64") || field.group !== "AArch32") return false;
  return (merged.find((m) => m.field.name === "EL0")?.value ?? 0n) < 2n;
}

/** What each class offers beyond the pool, in the order of the classes. */
export function armGivenUp(merged: readonly ArmMerged[], classes: number): ArmGivenUp[][] {
  const features = merged.filter(
    (m) => isPlanned(m.field) && m.field.kind === "feature" && !isSaidByEl0(m, merged),
  );
  return Array.from({ length: classes }, (_, i) =>
    features.flatMap((merging) => {
      const { field, values, value, requires } = merging;
      const own = values[i];
      if (own === undefined || own === value || !isPresent(own, field)) return [];
      return [
        { ...named(merging), loss: field.loss, from: Number(own), to: Number(value), requires },
      ];
    }),
  );
}

function idsWhere(classes: readonly ArmClass[], test: (index: number) => boolean): string[] {
  return classes.filter((_, i) => test(i)).map(({ id }) => id);
}

export function armUnited(merged: readonly ArmMerged[], classes: readonly ArmClass[]): United[] {
  return merged
    .filter(({ field, values, value }) => field.kind === "union" && values.some((v) => v !== value))
    .map((merging) => ({
      ...named(merging),
      addedTo: idsWhere(classes, (i) => merging.values[i] !== merging.value),
    }));
}

export function armLevelled(
  merged: readonly ArmMerged[],
  classes: readonly ArmClass[],
): Levelled[] {
  return merged
    .filter(({ field }) => field.kind === "minimum" || field.kind === "derived")
    .filter(({ values, value }) => values.some((v) => v !== undefined && v !== value))
    .map((merging) => ({
      ...named(merging),
      value: Number(merging.value),
      classes: classes.map(({ id }, i) => ({ class: id, value: Number(merging.values[i] ?? 0n) })),
    }));
}

export function armMasked(ids: readonly bigint[], classes: readonly ArmClass[]): Masked[] {
  return ids.flatMap((id) => {
    const words = classes.map(({ registers }) => (registers.get(id) ?? 0n) & armReservedMask(id));
    const all = words.reduce((a, b) => a | b, 0n);
    if (all === 0n) return [];
    const address = `${armRegisterName(id)}${bitsOf(all)}`;
    return [{ address, classes: idsWhere(classes, (i) => words[i] !== 0n) }];
  });
}

/** Identity, topology and what KVM ignores, where they differ: one residual per field. */
const RESIDUAL_KIND: Partial<Record<ArmField["kind"], Residual["kind"]>> = {
  identity: "identity",
  topology: "topology",
};

function freeFields(merged: readonly ArmMerged[], classes: readonly ArmClass[]): Residual[] {
  return merged
    .filter(({ field, values }) => !isPlanned(field) && new Set(values).size > 1)
    .filter(({ field }) => field.name !== "MPIDR")
    .map(({ field, values }) => ({
      address: field.ignoredSince === undefined ? field.register : armAddress(field),
      what: field.title,
      kind: RESIDUAL_KIND[field.kind] ?? "state",
      groups: groupClasses(classes, values.map(String)),
    }));
}

function cacheGeometry(classes: readonly ArmClass[]): Residual[] {
  const values = classes.map(({ registers }) =>
    [...registers]
      .filter(([id]) => isCacheGeometry(id))
      .map(([id, value]) => `${id}=${value}`)
      .toSorted()
      .join(),
  );
  if (new Set(values).size < 2) return [];
  return [
    {
      address: "CCSIDR_EL1",
      what: "cache geometry",
      kind: "topology",
      groups: groupClasses(classes, values),
    },
  ];
}

/** Registers that only some classes have, together where the same classes have them. */
export function partialRegisters(
  classes: readonly ArmClass[],
): { readonly ids: readonly bigint[]; readonly present: readonly boolean[] }[] {
  const all = new Set(classes.flatMap(({ registers }) => [...registers.keys()]));
  const groups = new Map<string, { ids: bigint[]; present: boolean[] }>();
  for (const id of [...all].toSorted((a, b) => (a < b ? -1 : 1))) {
    const present = classes.map(({ registers }) => registers.has(id));
    if (present.every(Boolean) || isCacheGeometry(id)) continue;
    const group = groups.get(present.join());
    if (group === undefined) groups.set(present.join(), { ids: [id], present });
    else group.ids.push(id);
  }
  return [...groups.values()];
}

/** `A, B and 37 more`. */
export function someRegisters(ids: readonly bigint[]): string {
  const shown = ids.slice(0, 3).map(armRegisterName).join(", ");
  return ids.length > 3 ? `${shown} and ${ids.length - 3} more` : shown;
}

export function armResiduals(
  merged: readonly ArmMerged[],
  classes: readonly ArmClass[],
): Residual[] {
  const partial = partialRegisters(classes).map(({ ids, present }): Residual => ({
    address: someRegisters(ids),
    what: "registers that only some have",
    kind: "state",
    groups: groupClasses(classes, present.map(String)),
  }));
  return [...freeFields(merged, classes), ...cacheGeometry(classes), ...partial];
}
