/**
 * Firecracker's own dumps: `cpu-template-helper fingerprint dump` and `… template dump`.
 * Both are templates in which every bit is spelled out, so both say what a guest sees.
 * Source: src/cpu-template-helper (https://github.com/firecracker-microvm/firecracker).
 */
import { MIDR_EL1 } from "../tables/arm/others.ts";
import { compareEntries, REGISTERS, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import { registerAddress } from "../format/address.ts";
import type { NodeProfile, OfferedCpu } from "../profile/profile.ts";
import { TEMPLATE } from "../template/parse.ts";
import { templateArch, type CpuidModifier, type CpuTemplate } from "../template/template.ts";
import { Problems, type JsonObject } from "../json/problems.ts";
import { maybe, objectOf, present, readWith, text } from "../json/reader.ts";

const CPU_KEY = "guest_cpu_config";
const HEADER_MEMBERS = {
  firecracker_version: maybe(text),
  kernel_version: maybe(text),
  microcode_version: maybe(text),
  bios_version: maybe(text),
  bios_revision: maybe(text),
};
const HEADER = objectOf(HEADER_MEMBERS);

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

/** A fingerprint's CPU, or that of a bare dump; `place` is where it stands in its document. */
export function readDumpedCpu(json: unknown, place: string): OfferedCpu {
  const problems = new Problems(place);
  const template = TEMPLATE.read(json, problems);
  const arch = templateArch(template);
  if (arch === undefined && problems.list.length === 0) {
    problems.add("has no CPUID entry and no register");
  }
  problems.throwIfAny("BAD_FIELD");
  const cpuid = template.cpuidModifiers.map((entry, i) =>
    entryOf(entry, (message) => problems.add(message, `cpuid_modifiers[${i}].modifiers`)),
  );
  const msrs = template.msrModifiers.map(({ addr, mask, value }, i): MsrValue => {
    if (mask !== FULL_64) problems.add(KEPT, `msr_modifiers[${i}].bitmap`);
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

function entryOf(entry: CpuidModifier, refuse: (message: string) => void): CpuidEntry {
  const { leaf, subleaf, flags, modifiers } = entry;
  const values = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  for (const m of modifiers) {
    if (m.mask !== FULL_32) refuse(KEPT);
    values[m.register] = m.value;
  }
  for (const register of REGISTERS) {
    if (modifiers.some((m) => m.register === register)) continue;
    refuse(`${registerAddress(leaf, subleaf, register)} is missing`);
  }
  return { leaf, subleaf, flags, ...values };
}

/** Whether an object without a CPU has nothing but what a fingerprint has before it. */
export function isFingerprintHeader(json: JsonObject): boolean {
  return Object.keys(json).every((key) => Object.hasOwn(HEADER_MEMBERS, key));
}

export function readFingerprintHeader(json: JsonObject): Pick<NodeProfile, "host" | "firecracker"> {
  const read = readWith(HEADER, json, "BAD_FIELD");
  const { firecracker_version: version } = read;
  const host = present({
    kernel: read.kernel_version,
    microcode: read.microcode_version,
    biosVersion: read.bios_version,
    biosRevision: read.bios_revision,
  });
  return { host, firecracker: version === undefined ? [] : [version] };
}

export function readFingerprintCpu(json: JsonObject): OfferedCpu {
  return readDumpedCpu(json[CPU_KEY], CPU_KEY);
}
