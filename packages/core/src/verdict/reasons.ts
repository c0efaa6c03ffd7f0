/** Why snapshots do not move: one reason once, with all the moves that it stands against. */
import { groupBy } from "../group.ts";
import { compareText } from "../format/text.ts";
import type { Finding, Severity } from "./finding.ts";
import type { RuleId } from "./rules.ts";

interface Moves {
  readonly from: readonly string[];
  readonly to: readonly string[];
}

export interface WhyNot {
  readonly rule: RuleId;
  readonly severity: Exclude<Severity, "note">;
  /** What the rule found, each once; it is the same for all moves. */
  readonly findings: readonly Pick<Finding, "address" | "name" | "consequence">[];
  readonly moves: readonly Moves[];
}

interface Judged {
  readonly from: string;
  readonly to: string;
  readonly findings: readonly Finding[];
}

const WORST_FIRST: readonly Severity[] = ["incompatible", "insecure", "unknown"];

type Targets = ReadonlyMap<string, readonly string[]>;

/** Pairs as few rectangles: those who cannot reach the same nodes stand together. */
function rectangles(targets: Targets): Moves[] {
  const byTargets = groupBy([...targets], ([, to]) => to.join("\n"));
  return [...byTargets.values()].map((alike) => ({
    from: alike.map(([from]) => from),
    to: alike[0]?.[1] ?? [],
  }));
}

interface Against {
  readonly finding: Finding;
  readonly targets: Map<string, string[]>;
}

function collect(pairs: readonly Judged[]): Against[] {
  const found = new Map<string, Against>();
  for (const { from, to, findings } of pairs) {
    for (const finding of findings) {
      const { rule, severity, address, name } = finding;
      if (severity === "note") continue;
      const key = `${severity}\n${rule}\n${address}\n${name}`;
      const against: Against = found.get(key) ?? { finding, targets: new Map() };
      found.set(key, against);
      const targets = against.targets.get(from);
      if (targets === undefined) against.targets.set(from, [to]);
      // One finding may be made of several values, as of each register that has a field's name.
      else if (targets.at(-1) !== to) targets.push(to);
    }
  }
  return [...found.values()];
}

/** The reasons against some ordered pairs, the worst first. Notes are none. */
export function whyNot(pairs: readonly Judged[]): WhyNot[] {
  const all = collect(pairs).map(({ finding, targets }) => ({
    finding,
    moves: rectangles(targets),
  }));
  const reasons = groupBy(all, ({ finding: { rule, severity }, moves }) =>
    JSON.stringify([severity, rule, moves]),
  );
  return [...reasons.values()]
    .flatMap((alike): WhyNot[] => {
      const [first] = alike;
      if (first === undefined || first.finding.severity === "note") return [];
      const { rule, severity } = first.finding;
      const findings = alike.map(({ finding: { address, name, consequence } }) => ({
        address,
        name,
        consequence,
      }));
      return [{ rule, severity, findings, moves: first.moves }];
    })
    .toSorted(
      (a, b) =>
        WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity) ||
        compareText(a.rule, b.rule),
    );
}
