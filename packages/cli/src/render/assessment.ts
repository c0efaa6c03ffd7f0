/** Built-in templates against the plan. */
import { firstLineThat, type StaticAssessment } from "@evenkeel/core";
import { heading, labelled, plural } from "./layout.ts";

const COLUMN = 24;

function row(label: string, text: string): string[] {
  return labelled(label, text.split(" "), 2, COLUMN);
}

export function assessmentReport({
  name,
  refusedOn,
  unsound,
  losesMore,
}: StaticAssessment): string {
  const accepted =
    refusedOn.length === 0
      ? "accepted on every class"
      : `refused by Firecracker ${firstLineThat("checks-models")} and later on ${refusedOn.join(", ")}`;
  const pairs = unsound.map(
    ({ from, to, verdict, because }) =>
      `${from} → ${to} is ${verdict} (${because.slice(0, 6).join(", ")}` +
      `${because.length > 6 ? ` and ${because.length - 6} more` : ""})`,
  );
  const cost =
    losesMore.length === 0
      ? "nothing that the plan keeps"
      : `${plural(losesMore.length, "more feature")} than the plan: ${losesMore.join(" ")}`;
  return [
    "",
    heading(`Built-in template ${name}`),
    ...row("applicable", accepted),
    ...row("sound", pairs.length === 0 ? "every pair is compatible" : `no: ${pairs.join("; ")}`),
    ...row("gives up", cost),
    "",
  ].join("\n");
}
