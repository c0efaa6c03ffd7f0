/** Judges a plan with the verdicts and the linter: both must accept it. */
import { listOf } from "../format/text.ts";
import type { LintFinding } from "../lint/finding.ts";
import { lintTemplate } from "../lint/lint.ts";
import type { CpuType } from "../tables/field.ts";
import type { WhyNot } from "../verdict/reasons.ts";
import { isAccepted } from "./accepted.ts";
import type { Mover, Planned } from "./movers.ts";
import { judgeMoves, type Accept, type JudgedMoves, type PlanMoves } from "./moves.ts";
import { refusal, someOf, type Refusal } from "./refuse.ts";

export interface JudgedPlan {
  readonly moves: PlanMoves;
  readonly refusals: readonly Refusal[];
}

const SHOWN = 6;

/** `AVX512F (CPUID.(EAX=07H,ECX=0):EBX[16]), GFNI and 4 more`. */
function whatOf({ findings }: WhyNot): string {
  const texts = findings.map(({ name, address }) =>
    address === "" ? name : `${name} (${address})`,
  );
  const more = texts.length - SHOWN;
  return more > 0 ? `${texts.slice(0, SHOWN).join(", ")} and ${more} more` : listOf(texts);
}

function whereOf({ moves }: WhyNot): string {
  const [first] = moves;
  const rest = moves.length - 1;
  const more = rest > 0 ? ` (and ${rest} more such moves)` : "";
  return `${someOf(first?.from ?? [])} on ${someOf(first?.to ?? [])}${more}`;
}

function wayOut({ severity }: WhyNot, classes: number): string {
  const ways = [
    ...(classes > 1 ? ["split the pool (--split 2)", "leave a class out (--without CLASS)"] : []),
    ...(severity === "incompatible"
      ? []
      : [`accept it, which the plan then records (--accept ${severity})`]),
  ];
  const text = ways.join("; or ");
  return text === ""
    ? "Probe the node again: it cannot honour the guest CPU that it shows its own guests."
    : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function refuseMove(reason: WhyNot, judged: JudgedMoves): Refusal {
  const to = new Set(reason.moves.flatMap((moves) => moves.to));
  const nodes = judged.movers.filter(({ label }) => to.has(label)).flatMap((mover) => mover.nodes);
  const classes = new Set(judged.movers.map((mover) => mover.class)).size;
  const consequence = reason.findings[0]?.consequence ?? "";
  const message =
    `a snapshot from ${whereOf(reason)} is ${reason.severity}: ${whatOf(reason)}: ` +
    consequence.replace(/\.$/, "");
  return refusal("verdict", message, wayOut(reason, classes), nodes);
}

function lintMover(mover: Mover, lines: readonly string[], moves: PlanMoves): LintFinding[] {
  const linted = { template: mover.template, builtIn: undefined };
  const findings = lintTemplate(linted, mover.profile, lines) ?? [];
  return findings.filter(
    (finding) => finding.severity === "error" && !isAccepted(moves.accepted, mover.class, finding),
  );
}

/** One node for each class and KVM: lint of a template reads neither kernels nor clocks. */
function unlikeMovers(movers: readonly Mover[]): Mover[] {
  const key = ({ class: id, profile }: Mover) =>
    `${id} ${JSON.stringify([...(profile.kvm?.capabilities ?? [])])}`;
  return [...new Map(movers.toReversed().map((mover) => [key(mover), mover])).values()];
}

function refuseLint(mover: Mover, { address, message, fix }: LintFinding): Refusal {
  const place = address === "" ? "" : `${address}: `;
  const text = `${mover.label}'s template: ${place}${message.replace(/\.$/, "")}`;
  return refusal("lint", text, fix, mover.nodes);
}

export function judgePlan(
  classes: readonly Planned[],
  options: { type: CpuType; lines: readonly string[]; accept: Accept | undefined },
): JudgedPlan {
  const judged = judgeMoves(classes, options);
  const { barred, accepted, failed, movers } = judged;
  const moves = { judged: judged.judged, barred, accepted };
  if (failed.length > 0) {
    return { moves, refusals: failed.map((reason) => refuseMove(reason, judged)) };
  }
  const refusals = unlikeMovers(movers).flatMap((mover) =>
    lintMover(mover, options.lines, moves).map((finding) => refuseLint(mover, finding)),
  );
  return { moves, refusals };
}
