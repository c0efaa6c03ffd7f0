/** What a template makes of a node's features, weaknesses and XSAVE area. */
import { readField } from "../bits.ts";
import { fieldAddress } from "../format/address.ts";
import { isBacked } from "../tables/backing.ts";
import { STATE_COMPONENTS } from "../tables/cpuid/xsave.ts";
import type { AnyField } from "../tables/field.ts";
import { fieldByName } from "../tables/lookup.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";
import { found, type LintFinding } from "./finding.ts";
import { fieldValue, hasField, isSet, wordAt, wordsOf, type CpuState } from "../profile/state.ts";
import { fieldsAt } from "../tables/registers.ts";

/** Weaknesses that a guest reads only where it was shown a feature: equal words are no proof. */
function isGated(fields: readonly AnyField[]): boolean {
  return fields.some(({ kind, of }) => isAnnouncement(kind) && of !== undefined);
}

/** The rows in which the guest and the node differ, and those that depend on another. */
function changedFields(guest: CpuState, node: CpuState): AnyField[] {
  return wordsOf(guest).flatMap(({ place, value }) => {
    const fields = fieldsAt(guest.type, place);
    const differs = value ^ (wordAt(node, place) ?? 0n);
    if (differs === 0n && !isGated(fields)) return [];
    return fields.filter((field) => field.of !== undefined || readField(differs, field) !== 0n);
  });
}

function lintField(field: AnyField, guest: CpuState, node: CpuState): LintFinding[] {
  const { kind, name, title, of, backedBy, loss } = field;
  if (loss === "none" || !(isPromise(kind) || isAnnouncement(kind))) return [];
  const set = isSet(guest, field);
  const offered = isSet(node, field);
  if (set === offered && of === undefined) return [];
  const isExcused = isBacked(backedBy, (other) => hasField(node, other));
  const place = { address: fieldAddress(field), name };
  const findings: LintFinding[] = [];
  if (isPromise(kind) && set && !offered && !isExcused) {
    const message = `${name} is set, but the node lacks it: ${unbackedEffect(field)}.`;
    findings.push(found("unbacked", "error", place, message, "Write x or 0 instead of 1."));
  }
  const told = set && (of === undefined || hasField(guest, of));
  if (isAnnouncement(kind) && !told && offered && !isExcused) {
    const message = `${name} (${title}) is hidden, so guests leave a mitigation off.`;
    findings.push(found("hidden-weakness", "error", place, message, "Write x or 1 instead of 0."));
  }
  return findings;
}

function unbackedEffect({ kind, loss }: AnyField): string {
  if (kind === "remedy") return "guests rely on a mitigation that does nothing here";
  if (loss === "insecure")
    return "guests leave a mitigation off, or rely on one that does not exist";
  return loss === "slower" ? "code that uses it is slow" : "code that uses it faults";
}

/** Features that the guest has without one they need, if the template hid that one. */
function lintDependencies(guest: CpuState, hidden: ReadonlySet<string>): LintFinding[] {
  if (hidden.size === 0) return [];
  return wordsOf(guest)
    .flatMap(({ place }) => fieldsAt(guest.type, place))
    .flatMap((field): LintFinding[] => {
      const { kind, name, requires } = field;
      const missing = requires.filter((needed) => hidden.has(needed));
      if (kind !== "feature" || missing.length === 0 || !isSet(guest, field)) return [];
      const message = `${name} is shown without ${missing.join(", ")}, which it needs.`;
      const place = { address: fieldAddress(field), name };
      return [found("dependency", "warning", place, message, `Hide ${name} as well.`)];
    });
}

export function lintBits(guest: CpuState, node: CpuState): LintFinding[] {
  const changed = changedFields(guest, node);
  const hidden = changed.filter(
    (field) => field.kind === "feature" && isSet(node, field) && !isSet(guest, field),
  );
  return [
    ...changed.flatMap((field) => lintField(field, guest, node)),
    ...lintDependencies(guest, new Set(hidden.map(({ name }) => name))),
  ];
}

function numberOf(guest: CpuState, name: string): bigint {
  const field = fieldByName(name);
  return field === undefined ? 0n : fieldValue(guest, field);
}

/** Bytes of the standard-format area that the guest's user components need. */
function neededSize(guest: CpuState): bigint {
  const ends = STATE_COMPONENTS.filter((c) => c.in === "xcr0" && hasField(guest, c.name)).map(
    ({ name }) => numberOf(guest, `${name}_OFFSET`) + numberOf(guest, `${name}_SIZE`),
  );
  return ends.reduce((max, end) => (end > max ? end : max), 576n);
}

export function lintXsaveSize(guest: CpuState): LintFinding[] {
  const field = fieldByName("XSAVE_SIZE_MAX");
  const size = numberOf(guest, "XSAVE_SIZE_MAX");
  const needed = neededSize(guest);
  if (field === undefined || size === 0n || size === needed) return [];
  const place = { address: fieldAddress(field), name: field.name };
  const message = `The template gives the XSAVE area ${size} bytes; its components need ${needed}.`;
  const severity = size < needed ? "error" : "warning";
  return [found("xsave-size", severity, place, message, `Write ${needed} into the register.`)];
}
