/** The same model with different bits: firmware, microcode or kernel made the difference. */
import { groupBy } from "../group.ts";
import { compareText, listOf } from "../format/text.ts";
import type { NodeClass } from "../profile/class.ts";
import { formatFms } from "../tables/models.ts";
import type { Merged } from "./merge.ts";

export interface Anomaly {
  readonly model: string;
  readonly classes: readonly string[];
  readonly fields: readonly string[];
  readonly cause: "kernel" | "microcode" | "firmware" | "unknown";
}

function likelyCause(classes: readonly NodeClass[]): Anomaly["cause"] {
  const kernels = classes.map((c) => c.kernels.join());
  const microcodes = classes.map((c) => c.microcodes.join());
  if (new Set(kernels).size > 1) return "kernel";
  if (new Set(microcodes).size > 1) return "microcode";
  return kernels.includes("") || microcodes.includes("") ? "unknown" : "firmware";
}

export function findAnomalies(merged: Merged, classes: readonly NodeClass[]): Anomaly[] {
  const byModel = groupBy([...classes.keys()], (i) => {
    const signature = classes[i]?.model.signature;
    return signature && formatFms(signature);
  });
  return [...byModel].flatMap(([model, indexes]): Anomaly[] => {
    if (model === undefined) return [];
    const differs = (values: readonly bigint[]) => new Set(indexes.map((i) => values[i])).size > 1;
    const fields = merged.fields.filter(({ values }) => differs(values));
    if (indexes.length < 2 || fields.length === 0) return [];
    const own = indexes.flatMap((i) => classes[i] ?? []);
    const ids = own.map(({ id }) => id).toSorted(compareText);
    const names = fields.map(({ field }) => field.name);
    return [{ model, classes: ids, fields: names, cause: likelyCause(own) }];
  });
}

const CAUSES: Readonly<Record<Anomaly["cause"], string>> = {
  kernel: "their host kernels differ",
  microcode: "their microcode differs",
  firmware: "kernel and microcode are the same, so check the firmware settings",
  unknown: "their profiles do not say why",
};

export function anomalyWarnings(anomalies: readonly Anomaly[]): string[] {
  return anomalies.map(({ model, classes, fields, cause }) => {
    const shown = fields.slice(0, 8).join(", ");
    const more = fields.length > 8 ? ` and ${fields.length - 8} more` : "";
    return `${listOf(classes)} are one model (${model}) with different bits (${shown}${more}): ${CAUSES[cause]}.`;
  });
}
