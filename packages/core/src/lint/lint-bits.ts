/** What a template makes of a node's features, weaknesses and XSAVE area. */
import { mask32 } from "../bits.ts";
import { REGISTERS } from "../cpuid.ts";
import { fieldAddress } from "../format/address.ts";
import { isBacked } from "../tables/backing.ts";
import { STATE_COMPONENTS } from "../tables/cpuid/xsave.ts";
import type { CpuidField, MsrField } from "../tables/field.ts";
import { cpuidFields, fieldByName, msrFields } from "../tables/lookup.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";
import { found, type LintFinding } from "./finding.ts";
import { fieldValue, hasField, isSet, type CpuState } from "../profile/state.ts";

type Field = CpuidField | MsrField;

/** Weaknesses that a guest reads only where it was shown a feature: equal words are no proof. */
function isGated(fields: readonly Field[]): boolean {
  return fields.some(({ kind, of }) => isAnnouncement(kind) && of !== undefined);
}

/** The rows in which the guest and the node differ, and those that depend on another. */
function changedFields(guest: CpuState, node: CpuState): Field[] {
  const { type } = guest;
  const changed: Field[] = [];
  for (const [key, entry] of guest.cpuid) {
    const own = node.cpuid.get(key);
    for (const register of REGISTERS) {
      const fields = cpuidFields(type, entry.leaf, entry.subleaf, register);
      const differs = entry[register] ^ (own?.[register] ?? 0);
      if (differs === 0 && !isGated(fields)) continue;
      for (const field of fields) {
        if ((differs & mask32(field.hi, field.lo)) !== 0 || field.of !== undefined) {
          changed.push(field);
        }
      }
    }
  }
  for (const id of guest.registers.keys()) changed.push(...msrFields(type, Number(id)));
  return changed;
}

function lintField(field: Field, guest: CpuState, node: CpuState): LintFinding[] {
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
    const message = `${name} (${title}) is hidden: guests leave a mitigation off.`;
    findings.push(found("hidden-weakness", "error", place, message, "Write x or 1 instead of 0."));
  }
  return findings;
}

function unbackedEffect({ kind, loss }: Field): string {
  if (kind === "remedy") return "guests rely on a mitigation that does nothing here";
  if (loss === "insecure") return "guests leave a mitigation off, or rely on one that is not there";
  return loss === "slower" ? "what uses it is slow" : "what uses it will fault";
}

/** Features of the guest without one that they need, where it was the template that hid it. */
function lintDependencies(guest: CpuState, hidden: ReadonlySet<string>): LintFinding[] {
  if (hidden.size === 0) return [];
  const findings: LintFinding[] = [];
  for (const { leaf, subleaf } of guest.cpuid.values()) {
    for (const register of REGISTERS) {
      for (const field of cpuidFields(guest.type, leaf, subleaf, register)) {
        if (field.requires.length > 0) findings.push(...lintDependency(field, guest, hidden));
      }
    }
  }
  for (const id of guest.registers.keys()) {
    for (const field of msrFields(guest.type, Number(id))) {
      findings.push(...lintDependency(field, guest, hidden));
    }
  }
  return findings;
}

function lintDependency(field: Field, guest: CpuState, hidden: ReadonlySet<string>): LintFinding[] {
  const { kind, name, requires } = field;
  if (kind !== "feature" || !requires.some((needed) => hidden.has(needed))) return [];
  if (!isSet(guest, field)) return [];
  const missing = requires.filter((needed) => hidden.has(needed));
  const message = `${name} is shown without ${missing.join(", ")}, which it needs.`;
  const place = { address: fieldAddress(field), name };
  return [found("dependency", "warning", place, message, `Hide ${name} as well.`)];
}

/** Bits that the node does not back, weaknesses that are hidden, features without their base. */
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
  const message = `The area is given as ${size} bytes, the components need ${needed}.`;
  const severity = size < needed ? "error" : "warning";
  return [found("xsave-size", severity, place, message, `Write ${needed} into the register.`)];
}
