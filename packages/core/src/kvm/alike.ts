/** Whether the logical CPUs of a dump are the same to a guest: it moves between them. */
import { extract32 } from "../bits.ts";
import { REGISTERS } from "../cpuid.ts";
import { CoreError } from "../errors.ts";
import { fieldAddress } from "../format/address.ts";
import { at, badDump, type RawCpu, type RawDump } from "./dump.ts";
import type { CpuidField, Vendor } from "../tables/field.ts";
import { cpuidFields } from "../tables/lookup.ts";
import { ARCH_CAPABILITIES } from "../tables/msr/capabilities.ts";
import { isPassable } from "./shown.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";

function matters({ kind, name }: CpuidField): boolean {
  if (isPromise(kind) || isAnnouncement(kind)) return isPassable(name);
  return kind === "identity" || kind === "minimum";
}

/** Fields that a guest could see and in which the two differ. */
function differences(vendor: Vendor, a: RawCpu, b: RawCpu): string[] {
  const found: string[] = [];
  for (const key of new Set([...a.entries.keys(), ...b.entries.keys()])) {
    const [mine, other] = [a.entries.get(key), b.entries.get(key)];
    const place = mine ?? other;
    if (place === undefined) continue;
    for (const register of REGISTERS) {
      const [x, y] = [mine?.[register] ?? 0, other?.[register] ?? 0];
      if (x === y) continue;
      for (const field of cpuidFields(vendor, place.leaf, place.subleaf, register)) {
        const { hi, lo } = field;
        if (!matters(field) || extract32(x, hi, lo) === extract32(y, hi, lo)) continue;
        found.push(`${field.name} (${fieldAddress(field)})`);
      }
    }
  }
  if (a.msrs.get(ARCH_CAPABILITIES) !== b.msrs.get(ARCH_CAPABILITIES)) {
    if (b.msrs.has(ARCH_CAPABILITIES)) found.push("IA32_ARCH_CAPABILITIES");
  }
  return found;
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
