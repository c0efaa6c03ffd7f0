/** Sentences first: what a person who opens a report wants to know. */
import type { Verdict } from "@evenkeel/core";
import { countMoves, countVerdicts, nodesIn, type MatrixView } from "../view/matrix.ts";
import { few, plural } from "../view/text.ts";
import { SIGNS } from "../view/verdicts.ts";
import type { PlanDocument } from "../read/schemas.ts";
import type { ReportPart } from "../view/report.ts";

export interface Sentence {
  readonly tone: Verdict;
  readonly text: string;
  /** The section that counts it. */
  readonly href?: string;
}

export function Sentences({ sentences }: { readonly sentences: readonly Sentence[] }) {
  return (
    <ul class="says">
      {sentences.map(({ tone, text, href }) => (
        <li key={text} class={tone}>
          <span class="sign" aria-hidden="true">
            {SIGNS[tone]}
          </span>
          <span>{href === undefined ? text : <a href={href}>{text}</a>}</span>
        </li>
      ))}
    </ul>
  );
}

/** The worst verdict of a matrix sets the tone. */
function toneOf(view: MatrixView): Verdict {
  const counts = countVerdicts(view);
  const worst = (["incompatible", "insecure", "unknown"] as const).find((v) => counts[v] > 0);
  return worst ?? "compatible";
}

export function matrixSentence(view: MatrixView, how: string): Sentence {
  const { compatible } = countVerdicts(view);
  const all = countMoves(view);
  const text =
    compatible === all
      ? `${how}, all ${plural(all, "move")} between ${plural(view.classes.length, "class")} are compatible: a snapshot taken on any of the ${plural(nodesIn(view), "node")} resumes on any other.`
      : `${how}, only ${compatible} of ${plural(all, "move")} between ${plural(view.classes.length, "class")} are compatible.`;
  return { tone: toneOf(view), text };
}

function planSentences(plan: PlanDocument): Sentence[] {
  const { classes, guestCpu, united, firecracker, moves, warnings } = plan;
  const nodes = classes.reduce((sum, { nodes: own }) => sum + own.length, 0);
  const templates = new Set(classes.map(({ template }) => template)).size;
  const most = classes.toSorted((a, b) => (b.givesUp?.length ?? 0) - (a.givesUp?.length ?? 0))[0];
  const level = plan.level === undefined || plan.level === null ? "" : ` (${plan.level})`;
  const barred = moves?.barred.length ?? 0;
  return [
    {
      tone: "compatible",
      text: `The plan gives ${plural(nodes, "node")} in ${plural(classes.length, "class")} one guest CPU with ${plural(guestCpu.features.length, "feature")}${level}, from ${plural(templates, "template")}, for Firecracker ${firecracker[0] ?? "?"} to ${firecracker.at(-1) ?? "?"}.`,
    },
    ...(most === undefined
      ? []
      : [
          {
            tone: "compatible" as const,
            text: `${most.model ?? most.id} gives up the most: ${plural(most.givesUp?.length ?? 0, "feature")}.`,
          },
        ]),
    ...(united.length === 0
      ? []
      : [
          {
            tone: "insecure" as const,
            text: `Set everywhere, so that no guest switches off a mitigation: ${few(united.map(({ name }) => name))}.`,
          },
        ]),
    ...(barred === 0
      ? []
      : [
          {
            tone: "insecure" as const,
            text: `No template can allow some moves: ${plural(barred, "reason")}.`,
          },
        ]),
    ...(moves?.accepted === undefined
      ? []
      : [
          {
            tone: "insecure" as const,
            text: `The operator accepted moves that are ${moves.accepted.verdict}.`,
          },
        ]),
    ...warnings.slice(0, WARNINGS).map((text) => ({ tone: "insecure" as const, text })),
    ...(warnings.length <= WARNINGS
      ? []
      : [
          {
            tone: "insecure" as const,
            text: `${plural(warnings.length - WARNINGS, "more warning")}, all under Guest CPU.`,
          },
        ]),
  ];
}

/** What guests boot with, where each pool has its plan. */
export function withPlans(plans: readonly PlanDocument[]): string {
  return plans.length === 1 ? "With the plan" : `With the plans of ${plans.length} pools`;
}

/** Warnings that an overview has room for. */
const WARNINGS = 3;

/** What each part comes to, in the order of the report. */
export function sentencesOf(part: ReportPart): Sentence[] {
  if (part.kind === "pool") {
    return [
      ...(part.before === undefined ? [] : [matrixSentence(part.before, "Without a template")]),
      ...(part.after === undefined ? [] : [matrixSentence(part.after, withPlans(part.plans))]),
      ...part.plans.flatMap(planSentences),
      ...part.refusals.map(({ message }) => ({ tone: "incompatible" as const, text: message })),
    ];
  }
  if (part.kind === "plan") return planSentences(part.data);
  if (part.kind === "pools") return part.data.pools.flatMap(planSentences);
  if (part.kind === "matrix") return [matrixSentence(part.view, part.how)];
  if (part.kind === "lab") {
    const { asPredicted } = part.data;
    const deaths = part.data.grids.map(({ pool, pairs }) => {
      const died = pairs.filter(({ outcome }) => outcome.kind !== "survived").length;
      const how =
        pool === "none" ? "without a plan" : `with ${pool === "plan" ? "the plan" : pool}`;
      return `${died} of ${pairs.length} guests died ${how}`;
    });
    const end = asPredicted ? "Every prediction was right" : "A prediction was WRONG";
    return [
      {
        tone: asPredicted ? "compatible" : "incompatible",
        text: `In the lab ${deaths.join(", ")}. ${end}.`,
      },
    ];
  }
  if (part.kind === "drift") {
    const tone = part.data.matters ? "insecure" : "compatible";
    return [{ tone, text: `${part.data.node}: drift is "${part.data.outcome}".` }];
  }
  if (part.kind === "verify") {
    const { mismatches, node } = part.data;
    return mismatches.length === 0
      ? [{ tone: "compatible", text: `${node} produces what it should.` }]
      : [{ tone: "incompatible", text: `${node}: ${plural(mismatches.length, "mismatch")}.` }];
  }
  const { judgements = [], files } = part.data;
  const bad = judgements.filter(({ outcome }) => outcome !== "fine" && outcome !== "loses speed");
  const scanned = `${plural(files.length, "file")} scanned`;
  return [
    judgements.length === 0
      ? { tone: "unknown", text: `${scanned}; no pool was named to judge them for.` }
      : {
          tone: bad.length === 0 ? "compatible" : "incompatible",
          text: `${scanned}; ${bad.length} need attention in this pool.`,
        },
  ];
}
