/** The guest CPU of a plan against what each class offers: a row per feature. */
import { fieldByName } from "@evenkeel/core";
import type { PlanDocument } from "../read/schemas.ts";

/**
 * - `kept`: guests have it, and every class offers it
 * - `given-up`: the class offers it, guests do not have it
 * - `lacking`: the class does not offer it
 * - `set`: guests see this vulnerability bit, and the class would have shown it by itself
 * - `added`: guests see it although the class would not have shown it
 */
export type CellState = "kept" | "given-up" | "lacking" | "set" | "added";

type RowKind = "given-up" | "set-everywhere" | "kept";

export interface FeatureRow {
  readonly name: string;
  readonly title: string;
  readonly group: string;
  readonly address: string;
  readonly kind: RowKind;
  /** Empty for what is kept. */
  readonly reason: string;
  /** One per class; empty for what is kept, which every class has. */
  readonly cells: readonly CellState[];
}

type Given = NonNullable<PlanDocument["classes"][number]["givesUp"]>[number];

const REASONS: Readonly<Record<string, (reason: NonNullable<Given["reason"]>) => string>> = {
  forbidden: () => "given up on purpose (--forbid)",
  requires: ({ feature = "?" }) => `needs ${feature}, which guests do not have`,
  unused: ({ by = [] }) => `serves only ${by.join(", ")}`,
  layout: ({ field = "?" }) => `${field} differs between classes`,
  hidden: ({ level = "?" }) => `hidden by ${level}`,
  unverifiable: () => "no profile says what nested guests can do",
};

function reasonText({ reason }: Given, lacking: number): string {
  const text = reason === undefined ? undefined : REASONS[reason.kind];
  if (text !== undefined && reason !== undefined) return text(reason);
  return lacking === 1 ? "one class lacks it" : `${lacking} classes lack it`;
}

function givenUpRows({ classes }: PlanDocument): FeatureRow[] {
  const names = new Map<string, Given>();
  for (const { givesUp = [] } of classes) for (const given of givesUp) names.set(given.name, given);
  return [...names.values()].map((given) => {
    const cells = classes.map(({ givesUp = [] }): CellState =>
      givesUp.some(({ name }) => name === given.name) ? "given-up" : "lacking",
    );
    const row = fieldByName(given.name);
    return {
      name: given.name,
      title: given.title ?? row?.title ?? "",
      group: given.group ?? row?.group ?? "",
      address: given.address ?? "",
      kind: "given-up",
      reason: reasonText(given, cells.filter((cell) => cell === "lacking").length),
      cells,
    };
  });
}

function setRows({ classes, united }: PlanDocument): FeatureRow[] {
  return united.map(({ name, title, group, address, addedTo }) => ({
    name,
    title,
    group,
    address,
    kind: "set-everywhere",
    reason: "a vulnerability bit: hiding it would switch off a mitigation",
    cells: classes.map(({ id }): CellState => (addedTo.includes(id) ? "added" : "set")),
  }));
}

function keptRows({ guestCpu }: PlanDocument): FeatureRow[] {
  return guestCpu.features.map((name) => {
    const row = fieldByName(name);
    const { title = "", group = "" } = row ?? {};
    return { name, title, group, address: "", kind: "kept", reason: "", cells: [] };
  });
}

/** What costs something first, then what guests have; each by group. */
export function featureRows(plan: PlanDocument): FeatureRow[] {
  return [...givenUpRows(plan), ...setRows(plan), ...keptRows(plan)];
}
