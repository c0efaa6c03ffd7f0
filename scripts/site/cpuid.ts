/** All rows of the tables, to be searched by name, bit or leaf. */
import { fieldAddress } from "../../packages/core/src/format/address.ts";
import { AA32_FIELDS } from "../../packages/core/src/tables/arm/aa32.ts";
import { AA64_FEATURE_FIELDS } from "../../packages/core/src/tables/arm/aa64-features.ts";
import { AA64_MEMORY_FIELDS } from "../../packages/core/src/tables/arm/aa64-memory.ts";
import { CPUID_FIELDS, MSR_FIELDS } from "../../packages/core/src/tables/lookup.ts";
import type { AnyField } from "../../packages/core/src/tables/field.ts";

const escaped = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

const LOSSES = {
  fault: "a fault",
  silent: "wrong results",
  insecure: "a mitigation stays off",
  slower: "speed",
  none: "nothing",
} as const;

/** Words that people search for besides what is shown: `leaf 7`, `bit 16`. */
function placeText(field: AnyField): string {
  const bits = field.hi === field.lo ? `bit ${field.lo}` : `bits ${field.hi}:${field.lo}`;
  if ("leaf" in field) return `leaf ${field.leaf.toString(16)} ${field.register} ${bits}`;
  if ("addr" in field) return `MSR ${field.addr.toString(16)} ${bits}`;
  return `${field.register} ${bits}`;
}

function rowText(field: AnyField): string {
  const names = [field.name, ...(field.aka ?? [])].map((name) => `<code>${escaped(name)}</code>`);
  const cells = [
    names.join(" "),
    `<code>${escaped(fieldAddress(field))}</code><span class="unseen"> ${escaped(placeText(field))}</span>`,
    escaped(field.title),
    field.kind,
    LOSSES[field.loss],
    field.requires.map((name) => `<code>${escaped(name)}</code>`).join(" "),
    escaped(field.group),
    escaped(field.reference),
  ];
  return `<tr>${cells.map((text) => `<td>${text}</td>`).join("")}</tr>`;
}

/** HTML. */
export function cpuidTable(): string {
  const rows: readonly AnyField[] = [
    ...CPUID_FIELDS,
    ...MSR_FIELDS,
    ...AA32_FIELDS,
    ...AA64_FEATURE_FIELDS,
    ...AA64_MEMORY_FIELDS,
  ];
  const heads = ["Name", "Address", "Means", "Kind", "Its loss costs", "Needs", "Group", "Source"];
  return (
    `<h1>CPUID, MSR and ID register rows</h1>` +
    `<p>${rows.length} fields: what evenkeel knows of each bit that a guest can read. ` +
    `<a href="adr/0002-merge-kinds.html">The kinds</a> say how a field merges over a pool.</p>` +
    `<div class="scroll" tabindex="0" role="group" aria-label="Rows">` +
    `<table class="rows" data-search="Search by name, bit or leaf">` +
    `<caption class="unseen">Rows</caption><thead><tr>` +
    `${heads.map((head) => `<th scope="col">${head}</th>`).join("")}</tr></thead>` +
    `<tbody>${rows.map(rowText).join("\n")}</tbody></table></div>`
  );
}
