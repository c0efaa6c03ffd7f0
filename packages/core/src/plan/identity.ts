/**
 * One family, model and stepping for the pool. A guest's kernel chooses mitigations by model, so
 * the default is the oldest member: a newer one would leave off what the oldest needs. What a
 * newer member needs beyond that is for mitigations.ts to tell.
 */
import { readField } from "../bits.ts";
import { fail } from "../errors.ts";
import { listOf } from "../format/text.ts";
import type { NodeClass } from "../profile/class.ts";
import { modelName } from "../profile/model.ts";
import { encodeSignature, formatFms, type FamilyModelStepping } from "../tables/models.ts";
import type { Merged } from "./merge.ts";

export type IdentityPolicy = "oldest" | "keep" | FamilyModelStepping;

export interface Identity extends FamilyModelStepping {
  readonly name: string;
  readonly reason: string;
}

/** The highest family, model and stepping that a signature has room for. */
const HIGHEST = [0x10e, 0xff, 15];

/** Reads `oldest`, `keep` or `family/model/stepping`, numbers decimal or `0x…`. */
export function parseIdentity(text: string): IdentityPolicy {
  if (text === "oldest" || text === "keep") return text;
  const numbers = text
    .split("/")
    .map((part) => (/^(0x[0-9a-fA-F]+|[0-9]+)$/.test(part) ? Number(part) : -1));
  const [family = -1, model = -1, stepping = -1] = numbers;
  const fits = numbers.every((number, i) => number >= 0 && number <= (HIGHEST[i] ?? -1));
  if (numbers.length !== 3 || !fits) {
    return fail("BAD_IDENTITY", `"${text}" is not an identity`, "--identity");
  }
  return { family, model, stepping };
}

/** A class whose model has a number that a template can set: x86's. */
interface Dated {
  readonly name: string;
  readonly launched: number | undefined;
  readonly signature: FamilyModelStepping;
}

function datedModels(classes: readonly NodeClass[]): Dated[] {
  return classes.flatMap(({ model }) => {
    const { signature } = model;
    return signature === undefined ? [] : [{ ...model, signature }];
  });
}

function compareAge(a: Dated, b: Dated): number {
  const known = (a.launched ?? Infinity) - (b.launched ?? Infinity);
  if (!Number.isNaN(known) && known !== 0) return known;
  return encodeSignature(a.signature) - encodeSignature(b.signature);
}

/** The identity under a policy; undefined: each class keeps its own, as all of aarch64 must. */
export function chooseIdentity(
  classes: readonly NodeClass[],
  policy: IdentityPolicy,
): Identity | undefined {
  const models = datedModels(classes);
  const [oldest] = models.toSorted(compareAge);
  const [type] = classes.map((c) => c.type);
  if (policy === "keep" || oldest === undefined || type === undefined) return undefined;
  if (policy !== "oldest") {
    return { ...policy, name: modelName(type, policy), reason: "chosen by the operator" };
  }
  const { signature, name } = oldest;
  const distinct = new Set(models.map((model) => formatFms(model.signature)));
  const reason =
    distinct.size === 1
      ? "all nodes are this model"
      : "the oldest model here: a guest kernel turns on mitigations by model";
  return { ...signature, name, reason };
}

export function identityWarnings(classes: readonly NodeClass[], policy: IdentityPolicy): string[] {
  const unknown = classes.filter(({ model }) => model.launched === undefined);
  const models = new Set(datedModels(classes).map(({ signature }) => formatFms(signature)));
  if (policy !== "oldest" || unknown.length === 0 || models.size <= 1) return [];
  return [
    `The age of ${listOf(unknown.map((c) => c.id))} is not known, so it is treated as the newest. ` +
      "Give --identity family/model/stepping if it is not.",
  ];
}

export function setIdentity(merged: Merged, identity: FamilyModelStepping): void {
  const eax = BigInt(encodeSignature(identity));
  for (const merging of merged.fields) {
    const { field, place } = merging;
    if (field.kind !== "identity" || !("leaf" in place) || place.register !== "eax") continue;
    merging.value = readField(eax, field);
  }
}
