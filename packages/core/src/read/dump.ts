/**
 * Firecracker's own dumps: `cpu-template-helper fingerprint dump` and `… template dump`.
 * Both are templates in which every bit is spelled out, so both say what a guest sees.
 * Source: src/cpu-template-helper (https://github.com/firecracker-microvm/firecracker).
 */
import { MIDR_EL1 } from "../tables/arm/others.ts";
import { compareEntries, REGISTERS, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import { registerAddress } from "../format/address.ts";
import type { HostFacts, NodeProfile, OfferedCpu } from "../profile/profile.ts";
import { readTemplate } from "../template/parse.ts";
import { templateArch, type CpuidModifier, type CpuTemplate } from "../template/template.ts";
import { join, kindOf, Problems, type JsonObject } from "../json/problems.ts";

const CPU_KEY = "guest_cpu_config";
const HEADER = {
  firecracker_version: undefined,
  kernel_version: "kernel",
  microcode_version: "microcode",
  bios_version: "biosVersion",
  bios_revision: "biosRevision",
} as const satisfies Record<string, keyof HostFacts | undefined>;

export function isFingerprint(json: JsonObject): boolean {
  return CPU_KEY in json;
}

const FULL_32 = 0xffff_ffff;
const FULL_64 = 2n ** 64n - 1n;

/** Leaves that every CPU has, so that every dump has them. */
const EVERYWHERE: readonly number[] = [0, 1, 0x8000_0000];

function isX86Dump({ cpuidModifiers: entries, msrModifiers }: CpuTemplate): boolean {
  return (
    EVERYWHERE.every((leaf) => entries.some((entry) => entry.leaf === leaf)) &&
    entries.every(({ modifiers }) => new Set(modifiers.map((m) => m.register)).size === 4) &&
    entries.every(({ modifiers }) => modifiers.every((m) => m.mask === FULL_32)) &&
    msrModifiers.every((m) => m.mask === FULL_64)
  );
}

/**
 * Whether a template spells out every bit of a whole CPU, as a dump does. One that only happens to
 * keep no bit of the few registers it names is a template.
 */
export function isDump(template: CpuTemplate): boolean {
  const { cpuidModifiers, regModifiers } = template;
  if (cpuidModifiers.length > 0) return isX86Dump(template);
  return (
    regModifiers.some(({ addr }) => addr === MIDR_EL1) &&
    regModifiers.every((m) => m.mask >= FULL_64)
  );
}

/** A fingerprint's CPU, or that of a bare dump; `path` is where it stands in its document. */
export function readDumpedCpu(json: unknown, path: string): OfferedCpu {
  const problems = new Problems();
  const template = readTemplate(json, path, problems);
  const arch = templateArch(template);
  if (arch === undefined && problems.list.length === 0) {
    problems.add(path, "has no CPUID entry and no register");
  }
  problems.throwIfAny("BAD_FIELD");
  const cpuid = template.cpuidModifiers.map((entry, i) =>
    readEntry(entry, `${join(path, "cpuid_modifiers")}[${i}]`, problems),
  );
  const msrs = template.msrModifiers.map(({ addr, mask, value }, i): MsrValue => {
    if (mask !== FULL_64) problems.add(`${join(path, "msr_modifiers")}[${i}].bitmap`, KEPT);
    return { addr, value };
  });
  problems.throwIfAny("NOT_A_PROFILE");
  return {
    arch: arch ?? "x86_64",
    view: "guest",
    cpuid: cpuid.toSorted(compareEntries),
    msrs: msrs.toSorted((a, b) => a.addr - b.addr),
    registers: template.regModifiers.map(({ addr, value }) => ({ id: addr, value })),
  };
}

const KEPT = "has x bits: this is a CPU template, not a profile";

function readEntry(entry: CpuidModifier, path: string, problems: Problems): CpuidEntry {
  const { leaf, subleaf, flags, modifiers } = entry;
  const values = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  for (const m of modifiers) {
    if (m.mask !== FULL_32) problems.add(`${path}.modifiers`, KEPT);
    values[m.register] = m.value;
  }
  for (const register of REGISTERS) {
    if (modifiers.some((m) => m.register === register)) continue;
    problems.add(`${path}.modifiers`, `${registerAddress(leaf, subleaf, register)} is missing`);
  }
  return { leaf, subleaf, flags, ...values };
}

/** Whether an object without a CPU has nothing but what a fingerprint has before it. */
export function isFingerprintHeader(json: JsonObject): boolean {
  return Object.keys(json).every((key) => Object.hasOwn(HEADER, key));
}

/** The header of a fingerprint: everything but the CPU. */
export function readFingerprintHeader(json: JsonObject): Pick<NodeProfile, "host" | "firecracker"> {
  const problems = new Problems();
  const host: Record<string, string> = {};
  const firecracker: string[] = [];
  for (const [key, fact] of Object.entries(HEADER)) {
    const value = json[key];
    if (value === undefined) continue;
    if (typeof value !== "string") problems.add(key, `must be a string, but is ${kindOf(value)}`);
    else if (fact === undefined) firecracker.push(value);
    else host[fact] = value;
  }
  problems.throwIfAny("BAD_FIELD");
  return { host, firecracker };
}

export function readFingerprintCpu(json: JsonObject): OfferedCpu {
  return readDumpedCpu(json[CPU_KEY], CPU_KEY);
}
