/**
 * The proof: every class is simulated with its template under every Firecracker line (one for all
 * that write the same over a template), and each guest is compared with the planned one, bit by
 * bit. Nothing of the planning is reused here but the tables.
 */
import { mask32, readField } from "../bits.ts";
import {
  eachRegister,
  entryKey,
  REGISTERS,
  type CpuidEntry,
  type CpuidMap,
  type Register,
} from "../cpuid.ts";
import { hexNumber, registerAddress, registerName } from "../format/address.ts";
import { normalize, unlikeLines } from "../firecracker/normalization.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import type { NodeClass } from "../profile/class.ts";
import { isFirmware } from "../tables/arm/lookup.ts";
import type { ArmField, CpuidField, CpuType, MsrField } from "../tables/field.ts";
import { cpuidFields } from "../tables/lookup.ts";
import { isPlanned } from "../tables/masks.ts";
import { honours, isPresent } from "../tables/merge-rules.ts";
import { registerFields } from "../tables/registers.ts";
import { missingAddress } from "../template/apply.ts";
import { API_BODY_LIMIT } from "../limits.ts";
import { formatTemplate } from "../template/format.ts";
import type { CpuTemplate } from "../template/template.ts";
import type { GuestCpu, GuestRegister } from "./guest-cpu.ts";

/** A place where a class's guest is not the planned one, or where its template cannot be used. */
export interface Violation {
  readonly class: string;
  readonly firecracker: string;
  readonly address: string;
  readonly problem: string;
}

export interface Proof {
  readonly classes: number;
  readonly firecracker: readonly string[];
  /** CPUID registers and MSRs compared, over all classes and all lines that differ. */
  readonly registers: number;
  readonly violations: readonly Violation[];
}

/** The planned guest's entries, undecided bits as 0. */
export function plannedEntries(guest: GuestCpu): Map<string, CpuidEntry> {
  return new Map(
    guest.cpuid.map(({ leaf, subleaf, registers }) => [
      entryKey(leaf, subleaf),
      { leaf, subleaf, flags: 0, ...eachRegister((register) => registers[register].value) },
    ]),
  );
}

const featureMasks = new WeakMap<readonly CpuidField[], number>();

function featureMask(type: CpuType, leaf: number, subleaf: number, register: Register): number {
  const fields = cpuidFields(type, leaf, subleaf, register);
  const known = featureMasks.get(fields);
  if (known !== undefined) return known;
  const features = fields.reduce(
    (mask, { kind, hi, lo }) => (kind === "feature" ? (mask | mask32(hi, lo)) >>> 0 : mask),
    0,
  );
  featureMasks.set(fields, features);
  return features;
}

export type Report = (
  address: string,
  problem: string,
  values?: { readonly expected: string; readonly actual: string },
) => void;

function reportValues(report: Report, address: string, expected: string, actual: string): void {
  report(address, `${actual} instead of ${expected}`, { expected, actual });
}

/** Each planned register of one class: equal to the plan, and backed by what the class offers. */
export function compareCpuid(
  guest: GuestCpu,
  expected: CpuidMap,
  actual: CpuidMap,
  offered: CpuidMap,
  type: CpuType,
  report: Report,
): number {
  for (const { leaf, subleaf, registers } of guest.cpuid) {
    const key = entryKey(leaf, subleaf);
    const [want, have, back] = [expected.get(key), actual.get(key), offered.get(key)];
    for (const register of REGISTERS) {
      const { mask } = registers[register];
      const planned = ((want?.[register] ?? 0) & mask) >>> 0;
      const shown = ((have?.[register] ?? 0) & mask) >>> 0;
      const unbacked = (shown & ~(back?.[register] ?? 0)) >>> 0;
      if (planned === shown && unbacked === 0) continue;
      const address = registerAddress(leaf, subleaf, register);
      if (planned !== shown) reportValues(report, address, hexNumber(planned), hexNumber(shown));
      const claimed = (unbacked & featureMask(type, leaf, subleaf, register)) >>> 0;
      if (claimed !== 0) report(address, `claims features the class lacks: ${hexNumber(claimed)}`);
    }
  }
  return guest.cpuid.length * REGISTERS.length;
}

export function unbackedFields(
  fields: readonly (MsrField | ArmField)[],
  offered: bigint,
  actual: bigint,
): string[] {
  return fields
    .filter(isPlanned)
    .filter((field) => !honours(readField(offered, field), readField(actual, field), field))
    .map(({ name }) => name);
}

/** An MSR that is absent reads as zero; a register of aarch64 that is absent cannot be read. */
function compareRegister(
  { id, mask, value }: GuestRegister,
  fields: readonly (MsrField | ArmField)[],
  actual: bigint | undefined,
  offered: bigint | undefined,
  report: Report,
): void {
  const address = registerName(id);
  if (typeof id === "bigint" && (offered === undefined || actual === undefined)) {
    // Then the plan must promise no feature there. Firmware has its services without the register.
    const promised = fields.some((f) => f.kind === "feature" && isPresent(readField(value, f), f));
    if (promised && !isFirmware(id)) report(address, "the class lacks it");
    return;
  }
  const shown = (actual ?? 0n) & mask;
  if (shown !== value) reportValues(report, address, hexNumber(value), hexNumber(shown));
  const unbacked = unbackedFields(fields, offered ?? 0n, shown);
  if (unbacked.length === 0) return;
  report(address, `claims more than the class offers: ${unbacked.join(", ")}`);
}

function compareRegisters(
  guest: GuestCpu,
  view: GuestView,
  offered: GuestView["registers"],
  type: CpuType,
  report: Report,
): number {
  for (const register of guest.registers) {
    const { id } = register;
    const fields = registerFields(type, id);
    compareRegister(register, fields, view.registers.get(id), offered.get(id), report);
  }
  return guest.registers.length;
}

export interface Emitted {
  readonly nodeClass: NodeClass;
  readonly template: CpuTemplate;
}

/** The releases that write differently over a guest of the pool, and the planned guest under each. */
function expectedGuests(type: CpuType, guest: GuestCpu, lines: readonly string[]) {
  const planned = plannedEntries(guest);
  return unlikeLines(type, lines).map((line) => ({
    line,
    expected: normalize(planned, planned, type, line),
  }));
}

export function prove(
  emitted: readonly Emitted[],
  guest: GuestCpu,
  lines: readonly string[],
): Proof {
  const violations: Violation[] = [];
  const [type] = emitted.map(({ nodeClass }) => nodeClass.type);
  const guests = type === undefined ? [] : expectedGuests(type, guest, lines);
  let registers = 0;
  for (const { nodeClass, template } of emitted) {
    const { id, type: own, cpu } = nodeClass;
    const size = formatTemplate(template).length;
    if (size > API_BODY_LIMIT) {
      const problem = `${size} bytes; Firecracker's API accepts ${API_BODY_LIMIT}`;
      violations.push({ class: id, firecracker: "any", address: "template", problem });
    }
    for (const { line, expected } of guests) {
      const report: Report = (address, problem) =>
        violations.push({ class: id, firecracker: line, address, problem });
      const bare = simulate(cpu, own, line);
      const view = simulate(cpu, own, line, template);
      for (const missing of view.missing) report(missingAddress(missing), "the class lacks it");
      registers += compareCpuid(guest, expected, view.cpuid, bare.cpuid, own, report);
      registers += compareRegisters(guest, view, bare.registers, own, report);
    }
  }
  return { classes: emitted.length, firecracker: lines, registers, violations };
}
