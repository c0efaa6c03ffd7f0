/** Raw dumps to test with: this project's own readings, and the same CPU in other formats. */
import { readFileSync } from "node:fs";
import { REGISTERS, type CpuidEntry } from "../src/cpuid.ts";
import { CoreError } from "../src/errors.ts";
import { readCpuidTool } from "../src/read/raw/cpuid-tool.ts";
import { readText } from "../src/read/text.ts";
import type { NodeProfile } from "../src/profile/profile.ts";

export function fixture(name: string): string {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
}

export const CPUID_TOOL = fixture("cpuid-r.txt");

/** The entries of the first CPU of the `cpuid -r` fixture. */
export const OWN: readonly CpuidEntry[] = [...readCpuidTool(CPUID_TOOL).cpus[0].entries.values()];

const hex = (value: number, digits = 8) => value.toString(16).padStart(digits, "0");

function registersOf(entry: CpuidEntry): string[] {
  return REGISTERS.map((register) => hex(entry[register]).toUpperCase());
}

function aidaLine(entry: CpuidEntry): string {
  const { leaf, subleaf } = entry;
  const mark = [0x4, 0x7, 0xb, 0xd, 0x8000_001d].includes(leaf)
    ? ` [SL ${hex(subleaf, 2).toUpperCase()}]`
    : "";
  return `CPUID ${hex(leaf).toUpperCase()}: ${registersOf(entry).join("-")}${mark}`;
}

/** AIDA64's layout with a section per CPU and MSR lines after them. */
export function aidaSections(
  cpus: readonly (readonly CpuidEntry[])[],
  msrs: readonly string[] = [],
) {
  const sections = cpus.map((entries, i) => [
    `------[ CPUID Registers / Logical CPU #${i} ]------`,
    "",
    "allcpu: Package 0 / Core 0 / Thread 0: Valid",
    ...entries.map(aidaLine),
    "",
    "L1    Data Cache:    32 KB,  8-way Associative, 64-byte Line",
  ]);
  const tail = cpus.map((_, i) => [
    `------[ MSR Registers / Logical CPU #${i} ]------`,
    "",
    ...msrs,
  ]);
  return [...sections, ...tail].flat().join("\r\n");
}

/** InstLatX64's layout with affinity masks. */
export function aidaAffinity(cpus: readonly (readonly CpuidEntry[])[]): string {
  return cpus
    .flatMap((entries, i) => [
      `CPU#${String(i).padStart(3, "0")} AffMask: 0x${hex(1 << i, 16)} `,
      ...entries.map((entry) => `${aidaLine(entry)} `),
      "",
    ])
    .join("\r\n");
}

export function cpudata(entries: readonly CpuidEntry[], more = ""): string {
  const tags = entries.map(
    (e) =>
      `  <cpuid eax_in='0x${hex(e.leaf)}' ecx_in='0x${hex(e.subleaf, 2)}' ` +
      `${REGISTERS.map((register) => `${register}='0x${hex(e[register])}'`).join(" ")}/>`,
  );
  return `<!-- a host -->\n<cpudata arch='x86'>\n${tags.join("\n")}\n${more}</cpudata>\n`;
}

export function profileFrom(text: string, kernel?: string): NodeProfile {
  const document = readText(text, { name: "n", kernel });
  if (document.kind !== "profile") throw new Error(`a ${document.kind}, not a profile`);
  return document.profile;
}

/** Code and message of what reading throws. */
export function refusalOf(text: string, kernel?: string): string {
  try {
    readText(text, { name: "n", kernel });
  } catch (error) {
    if (error instanceof CoreError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "none";
}

/** Entries with some registers of one leaf changed. */
export function changed(
  entries: readonly CpuidEntry[],
  leaf: number,
  subleaf: number,
  registers: Partial<CpuidEntry>,
): CpuidEntry[] {
  return entries.map((e) =>
    e.leaf === leaf && e.subleaf === subleaf ? { ...e, ...registers } : e,
  );
}
