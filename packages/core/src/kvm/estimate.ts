/** A raw dump to a node profile: what a guest would see there, as an estimate. */
import { entryKey, type CpuidMap } from "../cpuid.ts";
import { decodeSignature, modelFor, type CatalogueModel } from "../tables/models.ts";
import { stateLayout } from "../tables/xsave-layout.ts";
import { fieldAddress, leafAddress } from "../format/address.ts";
import { listOf } from "../format/text.ts";
import { REQUIRED_LEAVES } from "../tables/leaves.ts";
import type { HostFacts, NodeProfile } from "../profile/profile.ts";
import { at, badDump, type RawCpu, type RawDump } from "./dump.ts";
import { STATE_COMPONENTS } from "../tables/cpuid/xsave.ts";
import type { AnyField, Vendor } from "../tables/field.ts";
import { msrFields } from "../tables/lookup.ts";
import { ARCH_CAPABILITIES } from "../tables/msr/capabilities.ts";
import { vendorOf, vendorString } from "../tables/vendors.ts";
import { brandOf } from "../firecracker/brand.ts";
import { guestOf } from "./guest-of-host.ts";
import { readField } from "../bits.ts";
import { CoreError } from "../errors.ts";
import { wordAt, wordsOf } from "../profile/state.ts";
import { fieldsAt, type WordPlace } from "../tables/registers.ts";
import { isPassable } from "./shown.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";

function vendorOfDump({ entries, line }: RawCpu): Vendor {
  const leaf0 = entries.get(entryKey(0, 0));
  if (leaf0 === undefined) return badDump(line, `${leafAddress(0, 0)} is absent`);
  const name = JSON.stringify(vendorString(leaf0));
  return vendorOf(leaf0) ?? badDump(line, `unknown vendor ${name}`);
}

/** An absent leaf would be read as a CPU that lacks everything in it. */
function missingLeaves({ entries }: RawCpu): string[] {
  const absent = REQUIRED_LEAVES.filter(([leaf, subleaf]) => !entries.has(entryKey(leaf, subleaf)));
  if (absent.length === 0) return [];
  const addresses = absent.map(([leaf, subleaf]) => leafAddress(leaf, subleaf));
  return [`the dump lacks ${listOf(addresses)}`];
}

interface Capabilities {
  readonly value: bigint | undefined;
  readonly notes: readonly string[];
}

/** IA32_ARCH_CAPABILITIES: the dump's, else what the catalogue knows of the model. */
function capabilitiesOf(
  { msrs }: RawCpu,
  vendor: Vendor,
  model: CatalogueModel | undefined,
): Capabilities {
  if (vendor !== "intel") return { value: undefined, notes: [] };
  const own = msrs.get(ARCH_CAPABILITIES);
  if (own !== undefined) return { value: own, notes: [] };
  if (model === undefined) {
    const text =
      "IA32_ARCH_CAPABILITIES is not in the dump, and the catalogue does not know this model: " +
      "none of its immunity or vulnerability bits is assumed";
    return { value: undefined, notes: [text] };
  }
  const value = msrFields(vendor, ARCH_CAPABILITIES).reduce(
    (word, { name, lo }) => (model.features.includes(name) ? word | (1n << BigInt(lo)) : word),
    0n,
  );
  const text = `IA32_ARCH_CAPABILITIES is not in the dump: taken from the catalogue's ${model.name}`;
  return { value, notes: [text] };
}

interface Completed {
  readonly entries: CpuidMap;
  readonly notes: readonly string[];
  readonly incomplete: readonly string[];
}

/**
 * Some tools stop at the first subleaf of leaf 0xD that is not there and leave out the ones after.
 * Sizes and offsets are the same on all CPUs of a model, so the catalogue can say them.
 */
function completeStates({ entries }: RawCpu, model: CatalogueModel | undefined): Completed {
  const completed = new Map(entries);
  const notes: string[] = [];
  const incomplete: string[] = [];
  const offered = entries.get(entryKey(0xd, 0))?.eax ?? 0;
  for (const { index, name, in: where } of STATE_COMPONENTS) {
    const has = where === "xcr0" && (offered >>> index) & 1;
    if (!has || (entries.get(entryKey(0xd, index))?.eax ?? 0) !== 0) continue;
    const layout = model === undefined ? undefined : stateLayout(name, model.stateOffsets);
    const gap = `${leafAddress(0xd, index)} is not in the dump, although ${name} is offered`;
    if (model === undefined || layout === undefined) {
      incomplete.push(gap);
      continue;
    }
    const { size: eax, offset: ebx, flags: ecx } = layout;
    const place = { leaf: 0xd, subleaf: index, flags: 0 };
    completed.set(entryKey(0xd, index), { ...place, eax, ebx, ecx, edx: 0 });
    notes.push(`${gap}: taken from the catalogue's ${model.name}`);
  }
  return { entries: completed, notes, incomplete };
}

function hypervisorNote({ entries }: RawCpu): string[] {
  const leaf1 = entries.get(entryKey(1, 0));
  return ((leaf1?.ecx ?? 0) >>> 31) & 1 ? ["dumped inside a virtual machine"] : [];
}

function cpuModel(cpu: RawCpu): HostFacts {
  const brand = brandOf(cpu.entries);
  return brand === "" ? {} : { cpuModel: brand };
}

/** An estimated profile, for a kernel release such as `6.1`. Throws BAD_DUMP and UNLIKE_CORES. */
export function estimateProfile(dump: RawDump, name: string, kernel: string): NodeProfile {
  const [cpu] = dump.cpus;
  const vendor = vendorOfDump(cpu);
  refuseUnlikeCores(dump, vendor);
  const model = modelFor(vendor, decodeSignature(cpu.entries.get(entryKey(1, 0))?.eax ?? 0));
  const { value, notes } = capabilitiesOf(cpu, vendor, model);
  const completed = completeStates(cpu, model);
  return {
    name,
    provenance: `estimated from ${dump.format} for Linux ${kernel}, not measured`,
    notes: [...dump.notes, ...hypervisorNote(cpu), ...notes, ...completed.notes],
    host: { kernel, ...dump.host, ...cpuModel(cpu) },
    firecracker: [],
    incomplete: [...dump.incomplete, ...missingLeaves(cpu), ...completed.incomplete],
    estimate: true,
    cpu: guestOf({ vendor, cpuid: completed.entries, archCapabilities: value }, kernel),
  };
}

function matters({ kind, name }: AnyField): boolean {
  if (isPromise(kind) || isAnnouncement(kind)) return isPassable(name);
  return kind === "identity" || kind === "minimum";
}

function differences(vendor: Vendor, a: RawCpu, b: RawCpu): string[] {
  const none = new Map<number, bigint>();
  const valueIn = (cpu: RawCpu, place: WordPlace) =>
    wordAt({ cpuid: cpu.entries, registers: none }, place) ?? 0n;
  const all = wordsOf({ cpuid: new Map([...a.entries, ...b.entries]), registers: none });
  const found = all.flatMap(({ place }) => {
    const differs = valueIn(a, place) ^ valueIn(b, place);
    return fieldsAt(vendor, place)
      .filter((field) => matters(field) && readField(differs, field) !== 0n)
      .map((field) => `${field.name} (${fieldAddress(field)})`);
  });
  const isOther = a.msrs.get(ARCH_CAPABILITIES) !== b.msrs.get(ARCH_CAPABILITIES);
  return isOther && b.msrs.has(ARCH_CAPABILITIES) ? [...found, "IA32_ARCH_CAPABILITIES"] : found;
}

/** A dump that ends within a CPU has all of the others' last leaves but this one's. */
function refuseCutShort({ cpus }: RawDump): void {
  const [first] = cpus;
  const last = cpus.at(-1);
  if (last === undefined || last === first || last.entries.size >= first.entries.size) return;
  const end = [...first.entries.keys()].at(-1) ?? "";
  if (!last.entries.has(end)) badDump(last.line, `the dump ends in the middle of ${last.label}`);
}

const SHOWN = 6;

/** Throws UNLIKE_CORES where a guest would see other features on another core. */
function refuseUnlikeCores(dump: RawDump, vendor: Vendor): void {
  refuseCutShort(dump);
  const [first, ...others] = dump.cpus;
  for (const cpu of others) {
    const found = differences(vendor, first, cpu);
    if (found.length === 0) continue;
    const more = found.length > SHOWN ? ` and ${found.length - SHOWN} more` : "";
    const message =
      `${cpu.label} differs from ${first.label} (${at(first.line)}) in ` +
      `${found.slice(0, SHOWN).join(", ")}${more}`;
    throw new CoreError("UNLIKE_CORES", [{ path: at(cpu.line), message }]);
  }
}
