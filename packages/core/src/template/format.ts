/** {@link CpuTemplate} to JSON text that every Firecracker since 1.5 accepts. */
import { compareEntries, REGISTERS } from "../cpuid.ts";
import { hexNumber } from "../format/address.ts";
import { formatBitmap } from "./bitmap.ts";
import type { CpuidModifier, CpuTemplate } from "./template.ts";

/** Sorted by address, registers in their usual order: the same template in one way only. */
export function normalizeTemplate(template: CpuTemplate): CpuTemplate {
  return {
    kvmCapabilities: template.kvmCapabilities.toSorted(),
    cpuidModifiers: template.cpuidModifiers
      .map((entry) => ({
        ...entry,
        modifiers: entry.modifiers.toSorted(
          (a, b) => REGISTERS.indexOf(a.register) - REGISTERS.indexOf(b.register),
        ),
      }))
      .toSorted(compareEntries),
    msrModifiers: template.msrModifiers.toSorted((a, b) => a.addr - b.addr),
    vcpuFeatures: template.vcpuFeatures.toSorted((a, b) => a.index - b.index),
    regModifiers: template.regModifiers.toSorted((a, b) => Number(a.addr - b.addr)),
  };
}

function cpuidLines(entry: CpuidModifier): string {
  const head =
    `"leaf": "${hexNumber(entry.leaf)}", "subleaf": "${hexNumber(entry.subleaf)}", ` +
    `"flags": ${entry.flags}`;
  const registers = entry.modifiers.map(
    (m) => `      { "register": "${m.register}", "bitmap": "${formatBitmap(m, 32)}" }`,
  );
  if (registers.length === 0) return `    { ${head}, "modifiers": [] }`;
  return `    { ${head}, "modifiers": [\n${registers.join(",\n")}\n    ] }`;
}

function section(key: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`  "${key}": [\n${lines.join(",\n")}\n  ]`];
}

const texts = new WeakMap<CpuTemplate, string>();

/** {@link textOf}, made once: a plan measures a template, names its file, and writes it. */
export function formatTemplate(template: CpuTemplate): string {
  const known = texts.get(template) ?? textOf(template);
  texts.set(template, known);
  return known;
}

/** One line per register: diffs show what changed, and Firecracker's body limit is kept. */
function textOf(template: CpuTemplate): string {
  const t = normalizeTemplate(template);
  const sections = [
    ...section(
      "kvm_capabilities",
      t.kvmCapabilities.map((c) => `    "${c}"`),
    ),
    ...section("cpuid_modifiers", t.cpuidModifiers.map(cpuidLines)),
    ...section(
      "msr_modifiers",
      t.msrModifiers.map((m) => wideLine(m.addr, formatBitmap(m, 64))),
    ),
    ...section(
      "vcpu_features",
      t.vcpuFeatures.map((f) => `    { "index": ${f.index}, "bitmap": "${formatBitmap(f, 32)}" }`),
    ),
    ...section(
      "reg_modifiers",
      t.regModifiers.map((m) => wideLine(m.addr, formatBitmap(m, 128))),
    ),
  ];
  return sections.length === 0 ? "{}\n" : `{\n${sections.join(",\n")}\n}\n`;
}

function wideLine(addr: number | bigint, bitmap: string): string {
  return `    { "addr": "${hexNumber(addr)}", "bitmap": "${bitmap}" }`;
}
