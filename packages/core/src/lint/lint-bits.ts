/** What a template makes of a node's features, weaknesses and XSAVE area. */
import { fieldAddress } from "../format/address.ts";
import { STATE_COMPONENTS } from "../tables/cpuid/xsave.ts";
import { fieldByName } from "../tables/lookup.ts";
import { found, type LintFinding } from "./finding.ts";
import { fieldsOf, fieldValue, hasField, type Shown } from "./shown.ts";

/** Bits that are 1 for the guest and 0 on the node, and the other way round. */
export function lintBits(guest: Shown, node: Shown): LintFinding[] {
  const findings: LintFinding[] = [];
  for (const field of fieldsOf(guest)) {
    const { kind, name, title, of } = field;
    if (kind !== "feature" && kind !== "union") continue;
    const set = fieldValue(guest, field) !== 0n;
    const offered = fieldValue(node, field) !== 0n;
    const place = { address: fieldAddress(field), name };
    if (kind === "feature" && set && !offered) {
      const message = `${name} is set, but the node does not have it: what uses it will fault.`;
      findings.push(found("unbacked", "error", place, message, "Write x or 0 instead of 1."));
    }
    const told = set && (of === undefined || hasField(guest, of));
    if (kind === "union" && !told && offered) {
      const message = `${name} (${title}) is hidden: guests leave a mitigation off.`;
      const fix = "Write x or 1 instead of 0.";
      findings.push(found("hidden-weakness", "error", place, message, fix));
    }
  }
  return findings;
}

export function lintDependencies(guest: Shown, node: Shown): LintFinding[] {
  const findings: LintFinding[] = [];
  for (const field of fieldsOf(guest)) {
    const { kind, name, requires } = field;
    if (kind !== "feature" || requires.length === 0 || fieldValue(guest, field) === 0n) continue;
    const missing = requires.filter((needed) => !hasField(guest, needed) && hasField(node, needed));
    if (missing.length === 0) continue;
    const message = `${name} is shown without ${missing.join(", ")}, which it needs.`;
    const place = { address: fieldAddress(field), name };
    findings.push(found("dependency", "warning", place, message, `Hide ${name} as well.`));
  }
  return findings;
}

function numberOf(guest: Shown, name: string): bigint {
  const field = fieldByName(name);
  return field === undefined ? 0n : fieldValue(guest, field);
}

/** Bytes of the standard-format area that the guest's user components need. */
function neededSize(guest: Shown): bigint {
  const ends = STATE_COMPONENTS.filter((c) => c.in === "xcr0" && hasField(guest, c.name)).map(
    ({ name }) => numberOf(guest, `${name}_OFFSET`) + numberOf(guest, `${name}_SIZE`),
  );
  return ends.reduce((max, end) => (end > max ? end : max), 576n);
}

export function lintXsaveSize(guest: Shown): LintFinding[] {
  const field = fieldByName("XSAVE_SIZE_MAX");
  const size = numberOf(guest, "XSAVE_SIZE_MAX");
  const needed = neededSize(guest);
  if (field === undefined || size === 0n || size === needed) return [];
  const place = { address: fieldAddress(field), name: field.name };
  const message = `The area is given as ${size} bytes, the components need ${needed}.`;
  const severity = size < needed ? "error" : "warning";
  return [found("xsave-size", severity, place, message, `Write ${needed} into the register.`)];
}
