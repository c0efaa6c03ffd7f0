/** The version of the rules that a verdict was made with. */
import { sha256 } from "../format/digest.ts";
import { JUDGES } from "./circumstances.ts";
import { REVISION, RULES } from "./rules.ts";

let version: string | undefined;

/**
 * Changes when a rule's text does, when a judge reads another fact, and with the revision that is
 * raised by hand: certificates name the version they were made with.
 */
export function rulesVersion(): string {
  const facts = JUDGES.map(({ arch, reads }) => [arch, reads]);
  version ??= `${REVISION}.${sha256(JSON.stringify([RULES, facts])).slice(0, 8)}`;
  return version;
}
