/**
 * A guest CPU as `-cpu` switches. QEMU's emulation executes what its CPUID shows, so a feature that
 * the node lacks is never switched on: a guest that was promised it must meet its absence.
 */
import {
  applyTemplate,
  cpuidFields,
  decodeSignature,
  entryKey,
  indexEntries,
  isAnnouncement,
  isPromise,
  registerAddress,
  REGISTERS,
  vendorOfCpu,
  type CpuidEntry,
  type CpuidField,
  type Register,
  type Vendor,
} from "@evenkeel/core";
import { HostError } from "../errors.ts";
import type { CpuChoice } from "../vmm.ts";
import { NUMBER_PROPERTIES, propertyOf } from "./properties.ts";

/** Something of a guest CPU that this QEMU cannot express. */
export interface CpuFinding {
  /** As in the manuals, e.g. `CPUID.05H:ECX`. */
  readonly address: string;
  /** The bits of that register that it is about. */
  readonly bits: number;
  /** The field's name; undefined for bits that no row names. */
  readonly name: string | undefined;
  readonly why: string;
}

export interface CpuSwitches {
  readonly switches: readonly string[];
  readonly findings: readonly CpuFinding[];
}

/** The guest CPU of a cold boot: what the node offers, through the template. */
export function guestCpuid(
  offered: readonly CpuidEntry[] | undefined,
  cpu: CpuChoice,
): readonly CpuidEntry[] | undefined {
  if (cpu.kind === "none") return offered;
  if (cpu.kind === "built-in") {
    throw new HostError("NOT_WITH_QEMU", `QEMU has no built-in template ${cpu.name}`);
  }
  if (offered === undefined) {
    throw new HostError("NOT_WITH_QEMU", "a template needs the emulated node's CPUID");
  }
  const { cpuid, missing } = applyTemplate(indexEntries(offered), new Map(), {
    ...cpu.template,
    // The emulated CPU's feature MSRs are QEMU's own; a guest CPU here is its CPUID.
    msrModifiers: [],
  });
  if (missing.length > 0) {
    const where = missing
      .flatMap((m) => (m.kind === "cpuid" ? [entryKey(m.leaf, m.subleaf)] : []))
      .join(", ");
    throw new HostError(
      "NOT_WITH_QEMU",
      `the template names CPUID entries that the node lacks: ${where}`,
    );
  }
  return [...cpuid.values()];
}

interface Change {
  readonly entry: CpuidEntry;
  readonly register: Register;
  readonly offered: number;
  readonly wanted: number;
}

function changesBetween(offered: readonly CpuidEntry[], wanted: readonly CpuidEntry[]): Change[] {
  const index = indexEntries(wanted);
  return offered.flatMap((entry) => {
    const other = index.get(entryKey(entry.leaf, entry.subleaf));
    return REGISTERS.map((register) => ({
      entry,
      register,
      offered: entry[register],
      wanted: other?.[register] ?? 0,
    })).filter((change) => change.offered !== change.wanted);
  });
}

function maskOf({ hi, lo }: CpuidField): number {
  return ((2 ** (hi - lo + 1) - 1) * 2 ** lo) >>> 0;
}

function extract(word: number, field: CpuidField): number {
  return (word & maskOf(field)) >>> field.lo;
}

/** QEMU derives these from the features they belong to, or from what the whole CPU is. */
function followsByItself({ kind, name }: CpuidField): boolean {
  if (kind === "topology" || kind === "owned") return true;
  if (kind === "derived") return /^(XCR0|XSS|XSAVE)_/.test(name);
  return name.startsWith("EXTENDED_") || name === "LINEAR_ADDRESS_BITS";
}

type Report = (field: CpuidField, why: string) => void;

/** A state component goes with the last feature that uses it, be that shown or not. */
function componentSwitches({ usedBy }: CpuidField, known: ReadonlySet<string>): string[] {
  return usedBy.flatMap((feature) => propertyOf(feature, known) ?? []).map((name) => `-${name}`);
}

function featureSwitch(
  field: CpuidField,
  wanted: number,
  known: ReadonlySet<string>,
  report: Report,
): string[] {
  const property = propertyOf(field.name, known);
  const components = wanted === 0 ? componentSwitches(field, known) : [];
  if (components.length > 0) return components;
  if (property === undefined) report(field, "QEMU has no switch for it");
  else if (wanted === 0) return [`-${property}`];
  else if (isAnnouncement(field.kind)) return [`+${property}`];
  else report(field, "the node lacks it, and QEMU would execute what it shows");
  return [];
}

function fieldSwitch(
  field: CpuidField,
  change: Change,
  known: ReadonlySet<string>,
  report: Report,
): string[] {
  const wanted = extract(change.wanted, field);
  if (extract(change.offered, field) === wanted || followsByItself(field)) return [];
  if (isPromise(field.kind) || isAnnouncement(field.kind)) {
    return featureSwitch(field, wanted, known, report);
  }
  const property = NUMBER_PROPERTIES[field.name];
  if (property !== undefined) return [`${property}=${wanted}`];
  report(field, "QEMU has no property for it");
  return [];
}

function identitySwitches({ wanted }: Change): string[] {
  const { family, model, stepping } = decodeSignature(wanted);
  return [`family=${family}`, `model=${model}`, `stepping=${stepping}`];
}

function reservedBits(vendor: Vendor, { entry, register, offered, wanted }: Change): number {
  const fields = cpuidFields(vendor, entry.leaf, entry.subleaf, register);
  const named = fields.reduce((mask, field) => mask | maskOf(field), 0);
  return ((offered ^ wanted) & ~named) >>> 0;
}

function isSignature({ entry, register }: Change): boolean {
  return (entry.leaf === 1 || entry.leaf === 0x8000_0001) && register === "eax";
}

/**
 * The switches that turn what a node offers into what is wanted, as far as the node has it.
 * `known`: the CPUID flags that this QEMU recognizes.
 */
export function switchesFor(
  offered: readonly CpuidEntry[],
  wanted: readonly CpuidEntry[],
  known: ReadonlySet<string>,
): CpuSwitches {
  const vendor = vendorOfCpu(offered);
  if (vendor === undefined) return { switches: [], findings: [] };
  const findings: CpuFinding[] = [];
  const switches = changesBetween(offered, wanted).flatMap((change) => {
    const { entry, register } = change;
    const { leaf, subleaf } = entry;
    const address = registerAddress(leaf, subleaf, register);
    const report: Report = (field, why) =>
      findings.push({ address, bits: maskOf(field), name: field.name, why });
    if (isSignature(change)) return leaf === 1 ? identitySwitches(change) : [];
    const bits = reservedBits(vendor, change);
    if (bits !== 0) findings.push({ address, bits, name: undefined, why: "no row names them" });
    return cpuidFields(vendor, leaf, subleaf, register).flatMap((field) =>
      fieldSwitch(field, change, known, report),
    );
  });
  return { switches: [...new Set(switches)], findings };
}
