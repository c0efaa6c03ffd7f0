/** Whether the logical CPUs of a dump are the same to a guest: it moves between them. */
import { readField } from "../bits.ts";
import { CoreError } from "../errors.ts";
import { fieldAddress } from "../format/address.ts";
import { at, badDump, type RawCpu, type RawDump } from "./dump.ts";
import type { AnyField, Vendor } from "../tables/field.ts";
import { wordAt, wordsOf } from "../profile/state.ts";
import { fieldsAt, type WordPlace } from "../tables/registers.ts";
import { ARCH_CAPABILITIES } from "../tables/msr/capabilities.ts";
import { isPassable } from "./shown.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";

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
  if (!last.entries.has(end)) badDump(last.line, `the dump ends within ${last.label}`);
}

const SHOWN = 6;

/** Throws UNLIKE_CORES where a guest would see other features on another core. */
export function refuseUnlikeCores(dump: RawDump, vendor: Vendor): void {
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
