/** Drift as a person reads it: what it means first, then what changed, then what to do. */
import {
  isAnnouncement,
  type Difference,
  type Drift,
  type DriftOutcome,
  type PlannedDrift,
} from "@evenkeel/core";
import { findingLines } from "./check.ts";
import { heading, labelled, paragraph, plural, table } from "./layout.ts";

const HEADLINES: Readonly<Record<DriftOutcome, string>> = {
  none: "nothing visible to guests has changed",
  "template-holds": "the node changed, but its template still yields the planned guest CPU",
  "new-template": "the plan holds, but needs a new template",
  "plan-broken": "the plan no longer holds",
  changed: "guests see a different CPU",
  unknown: "unknown",
};

function headline({ node, outcome, changes }: Drift): string {
  if (outcome === "changed" && changes.seen.length === 0) {
    return `${node}: guests see the same CPU, but older snapshots may not resume`;
  }
  return `${node}: ${HEADLINES[outcome]}`;
}

function differenceTable(
  title: string,
  found: readonly Difference[],
  heads: readonly [string, string],
) {
  if (found.length === 0) return [];
  const rows = found.map((d) => [d.address, d.name, d.a ?? "absent", d.b ?? "absent", d.title]);
  return [
    "",
    heading(`${title}: ${found.length}`),
    ...table(["ADDRESS", "NAME", ...heads, "MEANING"], rows),
  ];
}

function factLines({ changes }: Drift): string[] {
  return changes.facts.flatMap(({ fact, from, to }) =>
    labelled(fact, `${from || "unknown"} → ${to || "unknown"}`.split(" "), 2, 24),
  );
}

const BEFORE_NOW = ["BEFORE", "NOW"] as const;
const PLANNED_NOW = ["PLANNED", "NOW"] as const;

function planLines(plan: PlannedDrift): string[] {
  return [
    ...(plan.class === plan.classNow
      ? []
      : ["", ...labelled("class", `${plan.class} → ${plan.classNow}`.split(" "), 2, 24)]),
    ...(plan.fatal.length === 0
      ? []
      : labelled(
          "no microVM starts",
          `the template names ${plan.fatal.join(", ")}, which the node lacks`.split(" "),
          2,
          24,
        )),
    ...(plan.unproven.length === 0
      ? []
      : labelled("not verified for", [`Firecracker`, plan.unproven.join(", ")], 2, 24)),
    ...differenceTable("In the plan, but lost on this node", plan.lost, PLANNED_NOW),
    ...differenceTable(
      "Not in the plan, but shown by the current template",
      plan.leaks,
      PLANNED_NOW,
    ),
  ];
}

/** What to report in any case, whatever happened to the CPU. */
function commonAdvice({ snapshots, plan }: Drift): string[] {
  return [
    ...(snapshots.verdict === "compatible"
      ? []
      : [
          "Do not resume older snapshots on this node unless evenkeel check finds them compatible.",
        ]),
    ...(plan === undefined || plan.unproven.length === 0
      ? []
      : [`Plan the pool again for Firecracker ${plan.unproven.join(", ")}.`]),
  ];
}

function adviceOf(drift: Drift, out: string | undefined): string[] {
  const { outcome, plan, snapshots, changes } = drift;
  const common = commonAdvice(drift);
  if (outcome === "unknown") return ["Compare two complete, measured profiles of this node."];
  if (outcome === "changed") {
    return changes.seen.length === 0 ? common : [...common, "Plan its pool again."];
  }
  if (outcome === "new-template") {
    const use = out === undefined ? "Write the new template (--out FILE)" : `Use ${out}`;
    const valid = snapshots.verdict === "compatible" ? "; the plan's snapshots stay valid" : "";
    return [`${use} and boot guests with it from now on${valid}.`, ...common];
  }
  if (outcome !== "plan-broken") return common;
  const weak = plan?.leaks.some(({ kind }) => isAnnouncement(kind)) === true;
  const why = weak ? " It reports a vulnerability that all guests of the pool must see." : "";
  return [`Take the node out of the pool, or plan the pool again.${why}`, ...common];
}

function snapshotLines({ snapshots, plan }: Drift): string[] {
  const which =
    plan === undefined ? "Snapshots taken here before the change" : "Snapshots of this plan";
  return ["", heading(`${which}: ${snapshots.verdict}`), ...findingLines(snapshots.findings)];
}

function ignoredLines(count: number): string[] {
  if (count === 0) return [];
  const verb = count === 1 ? "means" : "mean";
  return [
    "",
    `${plural(count, "other difference")} ${verb} no difference to guests (--json lists them).`,
  ];
}

export function driftReport(drift: Drift, out: string | undefined): string {
  const { changes, plan, reasons } = drift;
  const advice = adviceOf(drift, out);
  const ignored = changes.ignored.length;
  return [
    heading(headline(drift)),
    ...factLines(drift),
    ...reasons.flatMap((reason) => paragraph(`${reason}.`, 2)),
    ...(plan === undefined ? [] : planLines(plan)),
    ...differenceTable("Changed for a guest without a template", changes.seen, BEFORE_NOW),
    ...snapshotLines(drift),
    ...ignoredLines(ignored),
    ...(advice.length === 0 ? [] : ["", heading("What to do")]),
    ...advice.flatMap((sentence) => paragraph(sentence, 2)),
    "",
  ].join("\n");
}
