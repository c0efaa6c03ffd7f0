/** Reading back what an operator accepted when a plan was made. */
import { listOf, mapped, maybe, objectOf, oneOf, text, type Reader } from "../json/reader.ts";
import type { Accepted } from "../plan/accepted.ts";
import type { WhyNot } from "../verdict/reasons.ts";
import { RULES, type RuleId } from "../verdict/rules.ts";

function isRule(rule: string): rule is RuleId {
  return Object.hasOwn(RULES, rule);
}

/** Nothing worse can be accepted. */
const ACCEPTABLE = oneOf("unknown", "insecure");

const REASON = objectOf({
  rule: text,
  severity: ACCEPTABLE,
  findings: listOf(objectOf({ address: text, name: text, consequence: text })),
  moves: listOf(objectOf({ from: listOf(text), to: listOf(text) })),
});

/** What a rule of another release of this program is about was not accepted. */
const REASONS: Reader<WhyNot[]> = mapped(listOf(REASON), (reasons) =>
  reasons.flatMap((reason) => (isRule(reason.rule) ? [{ ...reason, rule: reason.rule }] : [])),
);

/** `moves.accepted` of a plan; plans that were made before there was such a thing have none. */
export const ACCEPTED: Reader<Accepted | undefined> = mapped(
  maybe(objectOf({ accepted: maybe(objectOf({ verdict: ACCEPTABLE, reasons: REASONS })) })),
  (moves) => moves?.accepted,
);
