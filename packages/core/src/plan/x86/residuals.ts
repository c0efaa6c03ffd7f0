/** Allowed differences between guests of different x86 classes. */
import { readField } from "../../bits.ts";
import { REGISTERS } from "../../cpuid.ts";
import type { GuestView } from "../../firecracker/simulate.ts";
import { leafAddress, msrAddress } from "../../format/address.ts";
import type { NodeClass } from "../../profile/class.ts";
import type { CpuidField } from "../../tables/field.ts";
import { cpuidFields, msrFields } from "../../tables/lookup.ts";
import { isFree } from "../../tables/masks.ts";
import { wordAt } from "../../profile/state.ts";
import { groupClasses, type Residual } from "../costs.ts";
import { has, type Merged } from "../merge.ts";

function freeLeaves(
  merged: Merged,
  views: readonly GuestView[],
  classes: readonly NodeClass[],
): Residual[] {
  const leaves = new Map<number, { fields: CpuidField[]; values: string[] }>();
  for (const { leaf, subleaf } of merged.places) {
    for (const register of REGISTERS) {
      const fields = cpuidFields(merged.type, leaf, subleaf, register);
      for (const field of fields.filter(({ kind }) => isFree(kind))) {
        const place = { leaf, subleaf, register };
        const values = views.map((view) => readField(wordAt(view, place) ?? 0n, field));
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
  const ids = new Set(views.flatMap(({ registers }) => [...registers.keys()]));
  const addresses = [...ids].filter((id) => typeof id === "number");
  return addresses
    .toSorted((a, b) => a - b)
    .flatMap((addr): Residual[] => {
      const listed = views.map(({ registers }) => registers.has(addr));
      if (listed.every(Boolean) || merged.registers.includes(addr)) return [];
      const field = msrFields(merged.type, addr)[0];
      if (field?.of !== undefined && !has(merged, field.of)) return [];
      const what = `${field?.title ?? "an MSR without a row"}, only on some`;
      const groups = groupClasses(classes, listed.map(String));
      return [{ address: msrAddress(addr), what, kind: "state", groups }];
    });
}

export function x86Residuals(
  merged: Merged,
  views: readonly GuestView[],
  classes: readonly NodeClass[],
  keepIdentity: boolean,
): Residual[] {
  const identity = merged.fields
    .filter((f) => keepIdentity && f.field.kind === "identity" && new Set(f.values).size > 1)
    .map(({ field, address, values }): Residual => {
      const groups = groupClasses(classes, values.map(String));
      return { address, what: field.title, kind: "identity", groups };
    });
  return [...identity, ...freeLeaves(merged, views, classes), ...stateMsrs(merged, views, classes)];
}
