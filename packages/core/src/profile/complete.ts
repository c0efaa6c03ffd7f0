/** Whether a profile says enough to be built on: what is missing is never taken for absent. */
import { entryKey, indexEntries, type CpuidEntry, type CpuidMap, type MsrValue } from "../cpuid.ts";
import { leafAddress, msrAddress } from "../format/address.ts";
import { missingArmFacts } from "./arm/facts.ts";
import { isEmulator } from "../tables/releases.ts";
import { STATE_COMPONENTS } from "../tables/cpuid/xsave.ts";
import type { CpuidField, CpuType, Vendor } from "../tables/field.ts";
import { COUNTED_LEAVES, MISSING_ON_OLD_KERNELS, REQUIRED_LEAVES } from "../tables/leaves.ts";
import { rangeOf } from "../tables/cpuid-limits.ts";
import { CPUID_FIELDS, fieldByName } from "../tables/lookup.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";
import { ARCH_CAPABILITIES } from "../tables/msr/capabilities.ts";
import { LISTED_ALWAYS, LISTED_WITH } from "../tables/msr/listed.ts";

function firstRows(vendor: Vendor): CpuidField[] {
  return CPUID_FIELDS.filter(
    ({ vendors, subleaf = 0, leaf }) =>
      vendors.includes(vendor) && subleaf === 0 && !MISSING_ON_OLD_KERNELS.has(leaf),
  );
}

/** Per vendor: leaves whose first subleaf has features or announcements. */
const SPEAKING_LEAVES = { intel: speakingLeaves("intel"), amd: speakingLeaves("amd") };

function speakingLeaves(vendor: Vendor): number[] {
  const rows = firstRows(vendor).filter(({ kind }) => isPromise(kind) || isAnnouncement(kind));
  return [...new Set(rows.map(({ leaf }) => leaf))].toSorted((a, b) => a - b);
}

/** Per vendor: leaves whose numbers belong to one feature. */
const FEATURE_LEAVES = { intel: featureLeaves("intel"), amd: featureLeaves("amd") };

function featureLeaves(vendor: Vendor): ReadonlyMap<number, string> {
  const rows = firstRows(vendor).filter(({ kind, leaf }) => kind === "derived" && leaf !== 0xd);
  return new Map(rows.flatMap(({ leaf, of }) => (of === undefined ? [] : [[leaf, of]])));
}

interface Entries {
  readonly cpuid: CpuidMap;
  readonly vendor: Vendor;
}

function leavesUpToMaximum({ cpuid, vendor }: Entries): string[] {
  return SPEAKING_LEAVES[vendor]
    .filter((leaf) => {
      const maximum = cpuid.get(entryKey(rangeOf(leaf), 0))?.eax ?? 0;
      return leaf <= maximum && !cpuid.has(entryKey(leaf, 0));
    })
    .map((leaf) => `${leafAddress(leaf, 0)} is absent, although the highest leaf is beyond it`);
}

function countedSubleaves({ cpuid }: Entries): string[] {
  return [...COUNTED_LEAVES].flatMap((leaf) => {
    // No CPU has more than a few; a hostile file may say four billion.
    const highest = Math.min(cpuid.get(entryKey(leaf, 0))?.eax ?? 0, 31);
    return Array.from({ length: highest }, (_, i) => i + 1)
      .filter((subleaf) => !cpuid.has(entryKey(leaf, subleaf)))
      .map(
        (n) =>
          `${leafAddress(leaf, n)} is absent, although the leaf's subleaves go up to ${highest}`,
      );
  });
}

function leavesOfFeatures(entries: Entries): string[] {
  return [...FEATURE_LEAVES[entries.vendor]]
    .filter(
      ([leaf, feature]) => hasFeature(entries, feature) && !entries.cpuid.has(entryKey(leaf, 0)),
    )
    .map(([leaf, feature]) => `${leafAddress(leaf, 0)} is absent, but ${feature} is offered`);
}

function stateComponents({ cpuid }: Entries): string[] {
  const user = cpuid.get(entryKey(0xd, 0))?.eax ?? 0;
  const supervisor = cpuid.get(entryKey(0xd, 1))?.ecx ?? 0;
  return STATE_COMPONENTS.filter(({ index, in: where }) => {
    const offered = where === "xcr0" ? user : supervisor;
    return ((offered >>> index) & 1) === 1 && !cpuid.has(entryKey(0xd, index));
  }).map(({ index, name }) => `${leafAddress(0xd, index)} is absent, but ${name} is offered`);
}

function hasFeature({ cpuid }: Entries, name: string): boolean {
  const field = fieldByName(name);
  if (field === undefined || !("leaf" in field)) return false;
  const word = cpuid.get(entryKey(field.leaf, field.subleaf ?? 0))?.[field.register] ?? 0;
  return ((word >>> field.lo) & 1) === 1;
}

/** `emulated`: nobody listed MSRs, and only the one that says what the CPU is matters. */
function listedMsrs(entries: Entries, msrs: readonly MsrValue[], emulated: boolean): string[] {
  const listed = new Set(msrs.map(({ addr }) => addr));
  const always = LISTED_ALWAYS.filter((addr) => !listed.has(addr));
  if (always.length > 0 && !emulated) {
    const names = always.slice(0, 3).map(msrAddress).join(", ");
    return [`the list of MSRs is incomplete: KVM always has ${names}`];
  }
  const promised: (readonly [string, readonly number[]])[] = emulated ? [] : [...LISTED_WITH];
  if (entries.vendor === "intel") promised.push(["ARCH_CAPABILITIES", [ARCH_CAPABILITIES]]);
  return promised.flatMap(([feature, addresses]) =>
    hasFeature(entries, feature)
      ? addresses
          .filter((addr) => !listed.has(addr))
          .map((addr) => `${msrAddress(addr)} is absent, but ${feature} is offered`)
      : [],
  );
}

/** A guest that QEMU emulates tells what CPUID it sees; no program of its can read MSRs. */
function isEmulated({ firecracker }: { readonly firecracker: readonly string[] }): boolean {
  return firecracker.length > 0 && firecracker.every(isEmulator);
}

function missingFacts(
  profile: {
    readonly incomplete: readonly string[];
    readonly cpu: { readonly msrs: readonly MsrValue[] };
    readonly firecracker: readonly string[];
  },
  cpuid: CpuidMap,
  vendor: Vendor,
): string[] {
  const entries = { cpuid, vendor };
  const required = REQUIRED_LEAVES.filter(([leaf, subleaf]) => !cpuid.has(entryKey(leaf, subleaf)));
  const absent = required.map(([leaf, subleaf]) => `${leafAddress(leaf, subleaf)} is absent`);
  const others = [
    ...leavesUpToMaximum(entries),
    ...countedSubleaves(entries),
    ...leavesOfFeatures(entries),
    ...stateComponents(entries),
    ...listedMsrs(entries, profile.cpu.msrs, isEmulated(profile)),
  ].filter((reason) => !absent.some((known) => reason.startsWith(known)));
  return [...new Set([...profile.incomplete, ...absent, ...others])];
}

type Facts = Parameters<typeof missingFacts>[0] &
  Parameters<typeof missingArmFacts>[0] & {
    readonly cpu: { readonly cpuid: readonly CpuidEntry[] };
  };

const MISSING: Readonly<Record<CpuType, (facts: Facts, cpuid: CpuidMap) => string[]>> = {
  intel: (facts, cpuid) => missingFacts(facts, cpuid, "intel"),
  amd: (facts, cpuid) => missingFacts(facts, cpuid, "amd"),
  aarch64: missingArmFacts,
};

/** What a profile or a contract lacks to be planned or judged with; empty when nothing. */
export function missingOf(
  facts: Facts,
  type: CpuType,
  cpuid: CpuidMap = indexEntries(facts.cpu.cpuid),
): string[] {
  return MISSING[type](facts, cpuid);
}
