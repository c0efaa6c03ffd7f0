/** Which moves of snapshots between classes a plan fails, and which no plan could allow. */
import { predictContract } from "../contract/make.ts";
import type { CpuType } from "../tables/field.ts";
import { finding, type Finding } from "../verdict/finding.ts";
import { guestKey, prepare } from "../verdict/prepare.ts";
import { judgePrepared } from "../verdict/judge.ts";
import { whyNot, type WhyNot } from "../verdict/reasons.ts";
import type { RuleId } from "../verdict/rules.ts";
import type { Accepted } from "./accepted.ts";
import { moversOf, type Mover, type Planned } from "./movers.ts";

/** The worst verdict that an operator accepts. */
export type Accept = Accepted["verdict"];

export interface PlanMoves {
  readonly judged: number;
  /** Why snapshots do not move, where no template could change it. */
  readonly barred: readonly WhyNot[];
  /** What the operator accepted; undefined: nothing had to be. */
  readonly accepted: Accepted | undefined;
}

export interface JudgedMoves extends PlanMoves {
  /** Against the plan: what a guest would meet on the other class's CPU. */
  readonly failed: readonly WhyNot[];
  /** What is judged: a class, or its nodes on one host kernel. */
  readonly movers: readonly Mover[];
}

/** Rules about the host, which no CPU template reaches; all others are about the guest's CPU. */
const BEYOND_TEMPLATES: ReadonlySet<string> = new Set<RuleId>([
  "kernel",
  "snapshot-format",
  "tsc",
  "kvm-capability",
  "msr",
  "arm/identity",
  "arm/invariant",
  "arm/write",
  "arm/caches",
  "arm/missing",
]);

export function isBeyondTemplates(rule: string): boolean {
  return BEYOND_TEMPLATES.has(rule);
}

interface Pair {
  readonly from: string;
  readonly to: string;
  readonly findings: readonly Finding[];
}

function cannotBoot(mover: Mover, missing: readonly string[]): Pair {
  const text = "The template names it, but the node lacks it: no microVM starts.";
  const findings = missing.map((address) =>
    finding("complete", "incompatible", address, { address }, text),
  );
  return { from: mover.label, to: mover.label, findings };
}

function judgePairs(movers: readonly Mover[], type: CpuType): Pair[] {
  const unbootable: Pair[] = [];
  const from = movers.flatMap((mover) => {
    const { profile, template, firecracker } = mover;
    const result = predictContract(profile, { firecracker, vcpus: 1, smt: false, template });
    if (result.ok) return [{ mover, contract: result.contract }];
    unbootable.push(cannotBoot(mover, result.missing));
    return [];
  });
  const contracts = from.map(({ contract }) => contract);
  const profiles = movers.map(({ profile }) => profile);
  const bench = prepare(type, contracts, profiles);
  // Under a plan that holds all guests are equal, and so are their verdicts.
  const rows = new Map<string, readonly (readonly Finding[])[]>();
  const pairs = bench.contracts.flatMap((guest, i) => {
    const key = guestKey(bench.layout, guest);
    const row =
      rows.get(key) ?? bench.nodes.map((node) => judgePrepared(bench, guest, node).findings);
    rows.set(key, row);
    const label = from[i]?.mover.label ?? "";
    return row.map((findings, j): Pair => ({ from: label, to: movers[j]?.label ?? "", findings }));
  });
  return [...unbootable, ...pairs];
}

/** Whether someone who accepts `accept` accepts this: what is insecure is worse than unknown. */
function isWithin({ severity }: WhyNot, accept: Accept | undefined): boolean {
  if (severity === "unknown") return accept !== undefined;
  return severity === "insecure" && accept === "insecure";
}

const [NESTING, KERNEL]: readonly RuleId[] = ["nesting", "kernel"];

/** Whether no template could change the finding, or the host kernel bars the move anyway. */
function isBarring({ rule }: Finding, all: readonly Finding[]): boolean {
  if (rule === NESTING) return all.some((other) => other.rule === KERNEL);
  return isBeyondTemplates(rule);
}

interface JudgeOptions {
  readonly type: CpuType;
  readonly lines: readonly string[];
  readonly accept: Accept | undefined;
}

export function judgeMoves(
  classes: readonly Planned[],
  { type, lines, accept }: JudgeOptions,
): JudgedMoves {
  const movers = moversOf(classes, lines);
  const pairs = judgePairs(movers, type);
  const against = pairs
    .map((pair) => ({ ...pair, findings: pair.findings.filter((f) => f.severity !== "note") }))
    .filter(({ findings }) => findings.length > 0);
  const those = (barring: boolean) =>
    against.map(({ findings, ...pair }) => ({
      ...pair,
      findings: findings.filter((one) => isBarring(one, findings) === barring),
    }));
  const own = whyNot(those(false));
  const accepted = own.filter((reason) => isWithin(reason, accept));
  return {
    barred: whyNot(those(true)),
    failed: own.filter((reason) => !isWithin(reason, accept)),
    accepted:
      accept === undefined || accepted.length === 0
        ? undefined
        : { verdict: accept, reasons: accepted },
    movers,
    judged: pairs.length,
  };
}
