/** Reading back what an operator accepted when a plan was made. */
import { objectsAt, stringAt, stringsAt } from "../json/members.ts";
import { isObject, kindOf, type JsonObject, type Problems } from "../json/problems.ts";
import type { Accepted } from "../plan/accepted.ts";
import type { Moves, WhyNot } from "../verdict/reasons.ts";
import { RULES, type RuleId } from "../verdict/rules.ts";

function isRule(rule: string): rule is RuleId {
  return Object.hasOwn(RULES, rule);
}

/** Undefined for a rule of another release of this program: what it is about was not accepted. */
function readReason(json: JsonObject, path: string, problems: Problems): WhyNot | undefined {
  const severity = json["severity"];
  if (severity !== "unknown" && severity !== "insecure") {
    problems.add(`${path}.severity`, "must be unknown or insecure: nothing worse can be accepted");
  }
  const rule = stringAt(json, "rule", path, problems);
  if (!isRule(rule)) return undefined;
  return {
    rule,
    severity: severity === "insecure" ? "insecure" : "unknown",
    findings: objectsAt(json, "findings", path, problems, (item, at) => ({
      address: stringAt(item, "address", at, problems),
      name: stringAt(item, "name", at, problems),
      consequence: stringAt(item, "consequence", at, problems),
    })),
    moves: objectsAt(json, "moves", path, problems, (item, at): Moves => ({
      from: stringsAt(item, "from", at, problems),
      to: stringsAt(item, "to", at, problems),
    })),
  };
}

/** `moves.accepted` of a plan; plans that were made before there was such a thing have none. */
export function readAccepted(moves: unknown, problems: Problems): Accepted | undefined {
  if (moves === undefined) return undefined;
  if (!isObject(moves)) {
    problems.add("moves", `must be an object, but is ${kindOf(moves)}`);
    return undefined;
  }
  const accepted = moves["accepted"];
  if (accepted === undefined) return undefined;
  if (!isObject(accepted)) {
    problems.add("moves.accepted", `must be an object, but is ${kindOf(accepted)}`);
    return undefined;
  }
  const verdict = accepted["verdict"];
  if (verdict !== "unknown" && verdict !== "insecure") {
    problems.add("moves.accepted.verdict", "must be unknown or insecure");
  }
  return {
    verdict: verdict === "insecure" ? "insecure" : "unknown",
    reasons: objectsAt(accepted, "reasons", "moves.accepted", problems, (item, path) =>
      readReason(item, path, problems),
    ).filter((reason) => reason !== undefined),
  };
}
