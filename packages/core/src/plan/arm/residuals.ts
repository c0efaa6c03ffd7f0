/** Allowed differences between guests of different aarch64 classes. */
import { groupBy } from "../../group.ts";
import { readField } from "../../bits.ts";
import { fieldAddress } from "../../format/address.ts";
import type { NodeClass } from "../../profile/class.ts";
import type { OfferedCpu } from "../../profile/profile.ts";
import { armFields, armRegisterName, isCacheGeometry } from "../../tables/arm/lookup.ts";
import { MPIDR_EL1 } from "../../tables/arm/others.ts";
import type { ArmField } from "../../tables/field.ts";
import { isPlanned } from "../../tables/masks.ts";
import { groupClasses, type Residual } from "../costs.ts";

type Words = ReadonlyMap<bigint, bigint>;

export function wordsOf({ registers }: OfferedCpu): Words {
  return new Map(registers.map(({ id, value }) => [id, value]));
}

export function allRegisters(words: readonly Words[]): bigint[] {
  return [...new Set(words.flatMap((own) => [...own.keys()]))].toSorted((a, b) => (a < b ? -1 : 1));
}

const KIND: Partial<Record<ArmField["kind"], Residual["kind"]>> = {
  identity: "identity",
  topology: "topology",
};

/** Identity, topology and what KVM ignores, where they differ: one residual per field. */
function freeFields(words: readonly Words[], classes: readonly NodeClass[]): Residual[] {
  const fields = allRegisters(words)
    .filter((id) => id !== MPIDR_EL1)
    .flatMap((id) => armFields(id).filter((field) => !isPlanned(field)));
  return fields.flatMap((field): Residual[] => {
    const values = words.map((own) => String(readField(own.get(field.id) ?? 0n, field)));
    if (new Set(values).size < 2) return [];
    const address = field.ignoredSince === undefined ? field.register : fieldAddress(field);
    const kind = KIND[field.kind] ?? "state";
    return [{ address, what: field.title, kind, groups: groupClasses(classes, values) }];
  });
}

function cacheGeometry(words: readonly Words[], classes: readonly NodeClass[]): Residual[] {
  const values = words.map((own) =>
    [...own]
      .filter(([id]) => isCacheGeometry(id))
      .map(([id, value]) => `${id}=${value}`)
      .toSorted()
      .join(),
  );
  if (new Set(values).size < 2) return [];
  const groups = groupClasses(classes, values);
  return [{ address: "CCSIDR_EL1", what: "cache geometry", kind: "topology", groups }];
}

/** Registers that only some classes have, together where the same classes have them. */
export function partialRegisters(
  words: readonly Words[],
): { readonly ids: readonly bigint[]; readonly present: readonly boolean[] }[] {
  const presence = (id: bigint) => words.map((own) => own.has(id));
  const partial = allRegisters(words).filter(
    (id) => !presence(id).every(Boolean) && !isCacheGeometry(id),
  );
  return [...groupBy(partial, (id) => presence(id).join()).values()].map((ids) => ({
    ids,
    present: presence(ids[0] ?? 0n),
  }));
}

export function someRegisters(ids: readonly bigint[]): string {
  const shown = ids.slice(0, 3).map(armRegisterName).join(", ");
  return ids.length > 3 ? `${shown} and ${ids.length - 3} more` : shown;
}

export function armResiduals(classes: readonly NodeClass[]): Residual[] {
  const words = classes.map(({ cpu }) => wordsOf(cpu));
  const partial = partialRegisters(words).map(({ ids, present }): Residual => ({
    address: someRegisters(ids),
    what: "registers that only some classes have",
    kind: "state",
    groups: groupClasses(classes, present.map(String)),
  }));
  return [...freeFields(words, classes), ...cacheGeometry(words, classes), ...partial];
}
