/**
 * The proof: every class is simulated with its template under every Firecracker line (one for all
 * that write the same over a template), and each guest is compared with the planned one, bit by
 * bit. Nothing of the planning is reused here but the tables.
 */
import { entryKey, REGISTERS, type CpuidEntry, type CpuidMap, type Register } from "../cpuid.ts";
import { leafAddress, msrAddress, registerAddress } from "../format/address.ts";
import { normalize, unlikeLines } from "../firecracker/normalization.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import type { NodeClass } from "../profile/class.ts";
import type { CpuidField, Vendor } from "../tables/field.ts";
import { cpuidFields, msrFields } from "../tables/lookup.ts";
import { mask32, mask64 } from "../bits.ts";
import { API_BODY_LIMIT } from "../limits.ts";
import { formatTemplate } from "../template/format.ts";
import type { CpuTemplate } from "../template/template.ts";
import type { GuestCpu } from "./guest.ts";

/** A place where a class's guest would not be the planned one, or where its template cannot be. */
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

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/** The planned guest's entries, undecided bits as 0. */
export function plannedEntries(guest: GuestCpu): Map<string, CpuidEntry> {
  return new Map(
    guest.cpuid.map(({ leaf, subleaf, registers: r }) => [
      entryKey(leaf, subleaf),
      {
        leaf,
        subleaf,
        flags: 0,
        eax: r.eax.value,
        ebx: r.ebx.value,
        ecx: r.ecx.value,
        edx: r.edx.value,
      },
    ]),
  );
}

const featureMasks = new WeakMap<readonly CpuidField[], number>();

function featureMask(vendor: Vendor, leaf: number, subleaf: number, register: Register): number {
  const fields = cpuidFields(vendor, leaf, subleaf, register);
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
  view: GuestView,
  offered: CpuidMap,
  vendor: Vendor,
  report: Report,
): number {
  for (const { leaf, subleaf, registers } of guest.cpuid) {
    const key = entryKey(leaf, subleaf);
    const [want, have, back] = [expected.get(key), view.cpuid.get(key), offered.get(key)];
    for (const register of REGISTERS) {
      const { mask } = registers[register];
      const planned = ((want?.[register] ?? 0) & mask) >>> 0;
      const actual = ((have?.[register] ?? 0) & mask) >>> 0;
      const unbacked = (actual & ~(back?.[register] ?? 0)) >>> 0;
      if (planned === actual && unbacked === 0) continue;
      const address = registerAddress(leaf, subleaf, register);
      if (planned !== actual) reportValues(report, address, hex(planned), hex(actual));
      const claimed = (unbacked & featureMask(vendor, leaf, subleaf, register)) >>> 0;
      if (claimed !== 0) report(address, `claims features the class lacks: ${hex(claimed)}`);
    }
  }
  return guest.cpuid.length * REGISTERS.length;
}

export function compareMsrs(
  guest: GuestCpu,
  view: GuestView,
  offered: ReadonlyMap<number, bigint>,
  vendor: Vendor,
  report: Report,
): number {
  for (const { addr, mask, value } of guest.msrs) {
    const actual = (view.msrs.get(addr) ?? 0n) & mask;
    if (actual !== value) reportValues(report, msrAddress(addr), hex(value), hex(actual));
    const features = msrFields(vendor, addr).reduce(
      (bits, { kind, hi, lo }) => (kind === "feature" ? bits | mask64(hi, lo) : bits),
      0n,
    );
    const claimed = actual & features & ~(offered.get(addr) ?? 0n);
    if (claimed !== 0n) {
      report(msrAddress(addr), `claims features the class lacks: ${hex(claimed)}`);
    }
  }
  return guest.msrs.length;
}

export interface Emitted {
  readonly nodeClass: NodeClass;
  readonly template: CpuTemplate;
}

export function prove(
  emitted: readonly Emitted[],
  guest: GuestCpu,
  lines: readonly string[],
): Proof {
  const violations: Violation[] = [];
  const planned = plannedEntries(guest);
  const [vendor] = emitted.map(({ nodeClass }) => nodeClass.vendor);
  const simulated = vendor === undefined ? [] : unlikeLines(vendor, lines);
  const expectedBy = simulated.map((line) => normalize(planned, planned, vendor ?? "intel", line));
  let registers = 0;
  for (const { nodeClass, template } of emitted) {
    const { id, vendor: own, cpu } = nodeClass;
    const size = formatTemplate(template).length;
    if (size > API_BODY_LIMIT) {
      const problem = `${size} bytes, Firecracker's API takes ${API_BODY_LIMIT}`;
      violations.push({ class: id, firecracker: "any", address: "template", problem });
    }
    for (const [i, line] of simulated.entries()) {
      const report: Report = (address, problem) =>
        violations.push({ class: id, firecracker: line, address, problem });
      const bare = simulate(cpu, own, line);
      const view = simulate(cpu, own, line, template);
      for (const missing of view.missing) report(missingAddress(missing), "the class lacks it");
      const expected = expectedBy[i] ?? new Map();
      registers += compareCpuid(guest, expected, view, bare.cpuid, own, report);
      registers += compareMsrs(guest, view, bare.msrs, own, report);
    }
  }
  return { classes: emitted.length, firecracker: lines, registers, violations };
}

function missingAddress(missing: GuestView["missing"][number]): string {
  return missing.kind === "msr"
    ? msrAddress(missing.addr)
    : leafAddress(missing.leaf, missing.subleaf);
}
