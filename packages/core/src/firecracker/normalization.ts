/**
 * What Firecracker writes into CPUID after the template, as rows: such bits of a template are
 * lost without a word.
 *
 * Source: src/vmm/src/cpu_config/x86_64/cpuid/{normalize,intel/normalize,amd/normalize}.rs at
 * v1.5.0 to v1.16.0, and docs/cpu_templates/cpuid-normalization.md.
 */
import { groupBy } from "../group.ts";
import { mask32 } from "../bits.ts";
import {
  entryKey,
  keyOf,
  REGISTERS,
  type CpuidEntry,
  type CpuidMap,
  type Register,
} from "../cpuid.ts";
import { remembered } from "../remember.ts";
import { byType, type CpuType, type Vendor } from "../tables/field.ts";
import { ONE_VCPU, packageShift, writeTopology, type BootTopology } from "./topology.ts";
import { compareLines, does, firstLineThat, isEmulator } from "../tables/releases.ts";
import type { Behaviour } from "../tables/release-rows.ts";

/** A constant, the host's own CPUID, or the microVM's topology (vCPU index, vCPU count, SMT). */
type Written = number | "host" | "topology";

export interface NormalizedField {
  readonly vendors: readonly CpuType[];
  readonly leaf: number;
  /** `undefined`: in every subleaf. */
  readonly subleaf: number | undefined;
  readonly register: Register;
  readonly hi: number;
  readonly lo: number;
  readonly written: Written;
  /** Only by releases that do this. */
  readonly by?: Behaviour;
}

type Place = readonly [leaf: number, subleaf: number | undefined];

function rows(
  vendor: Vendor | undefined,
  [leaf, subleaf]: Place,
  register: Register,
  [hi, lo]: readonly [number, number],
  written: Written,
  by?: Behaviour,
): NormalizedField[] {
  const vendors: Vendor[] = vendor === undefined ? ["intel", "amd"] : [vendor];
  return [
    { vendors, leaf, subleaf, register, hi, lo, written, ...(by === undefined ? {} : { by }) },
  ];
}

function whole(
  vendor: Vendor | undefined,
  place: Place,
  written: Written,
  by?: Behaviour,
): NormalizedField[] {
  return REGISTERS.flatMap((register) => rows(vendor, place, register, [31, 0], written, by));
}

export const NORMALIZED: readonly NormalizedField[] = [
  ...rows(undefined, [0x0, 0], "ebx", [31, 0], "host"),
  ...rows(undefined, [0x0, 0], "ecx", [31, 0], "host"),
  ...rows(undefined, [0x0, 0], "edx", [31, 0], "host"),
  ...rows(undefined, [0x1, 0], "ebx", [31, 8], "topology"),
  ...rows(undefined, [0x1, 0], "ecx", [15, 15], 0),
  ...rows(undefined, [0x1, 0], "ecx", [24, 24], 1),
  ...rows(undefined, [0x1, 0], "ecx", [31, 31], 1),
  ...rows(undefined, [0x1, 0], "edx", [28, 28], "topology"),
  ...whole(undefined, [0xb, undefined], "topology"),
  ...whole(undefined, [0x8000_0005, 0], "host"),
  ...whole(undefined, [0x8000_0006, 0], "host"),
  ...whole(undefined, [0x8000_0002, 0], "host"),
  ...whole(undefined, [0x8000_0003, 0], "host"),
  ...whole(undefined, [0x8000_0004, 0], "host"),

  ...rows("intel", [0x4, undefined], "eax", [31, 14], "topology"),
  ...rows("intel", [0x6, 0], "eax", [1, 1], 0),
  ...rows("intel", [0x6, 0], "ecx", [3, 3], 0),
  ...rows("intel", [0x7, 0], "ebx", [6, 6], 1),
  ...rows("intel", [0x7, 0], "ebx", [13, 13], 1),
  ...rows("intel", [0x7, 0], "ecx", [5, 5], 0, "clears-waitpkg"),
  ...whole("intel", [0xa, 0], 0),
  ...whole("intel", [0x1f, undefined], "topology", "writes-leaf-1f"),

  ...rows("amd", [0x7, 0], "edx", [29, 29], 0),
  ...rows("amd", [0x8000_0000, 0], "eax", [31, 0], 0x8000_001f, "lowers-amd-leaves"),
  ...rows("amd", [0x8000_0001, 0], "ecx", [22, 22], 1),
  ...rows("amd", [0x8000_0008, 0], "ecx", [7, 0], "topology"),
  ...rows("amd", [0x8000_0008, 0], "ecx", [15, 12], "topology"),
  ...whole("amd", [0x8000_001d, undefined], "host"),
  ...rows("amd", [0x8000_001d, undefined], "eax", [25, 14], "topology"),
  ...rows("amd", [0x8000_001e, 0], "ebx", [31, 16], "host"),
  ...rows("amd", [0x8000_001e, 0], "ecx", [31, 11], "host"),
  ...rows("amd", [0x8000_001e, 0], "edx", [31, 0], "host"),
  ...rows("amd", [0x8000_001e, 0], "eax", [31, 0], "topology"),
  ...rows("amd", [0x8000_001e, 0], "ebx", [15, 0], "topology"),
  ...rows("amd", [0x8000_001e, 0], "ecx", [10, 0], "topology"),
];

/**
 * Entries that Firecracker adds when KVM does not report them. A fingerprint shows them, a
 * template must not name them: they do not exist yet when the template is applied.
 */
export function mayBeInserted(type: CpuType, leaf: number, subleaf: number): boolean {
  if (leaf === 0xb || leaf === 0x1f) return subleaf > 0;
  return type === "amd" && (leaf === 0x8000_001d || leaf === 0x8000_001e);
}

/** A release line, or a build between two releases that may not do yet what its line does. */
interface Build {
  readonly line: string;
  readonly preRelease: boolean;
}

/** Clears what the line before it did not: a build before the release may leave it to guests. */
function isUncertain({ by, written }: NormalizedField, { line, preRelease }: Build): boolean {
  return preRelease && by !== undefined && firstLineThat(by) === line && written === 0;
}

function appliesTo(row: NormalizedField, type: CpuType, line: string): boolean {
  return (
    !isEmulator(line) && row.vendors.includes(type) && (row.by === undefined || does(line, row.by))
  );
}

function standsIn(row: NormalizedField, leaf: number, subleaf: number): boolean {
  return row.leaf === leaf && (row.subleaf === undefined || row.subleaf === subleaf);
}

/** What Firecracker writes into a register: which bits, and those that it always gives one value. */
interface Overwritten {
  readonly mask: number;
  /** The bits of `mask` that are written with a constant, and the constant. */
  readonly constant: { readonly mask: number; readonly value: number };
}

const NOTHING: Overwritten = { mask: 0, constant: { mask: 0, value: 0 } };
const LEAVES: ReadonlySet<number> = new Set(NORMALIZED.map(({ leaf }) => leaf));
const cache = new Map<string, Overwritten>();

function overwrittenBy(rowsThere: readonly NormalizedField[]): Overwritten {
  let mask = 0;
  const constant = { mask: 0, value: 0 };
  for (const { hi, lo, written } of rowsThere) {
    const bits = mask32(hi, lo);
    mask |= bits;
    const isConstant = typeof written === "number";
    constant.mask = isConstant ? constant.mask | bits : constant.mask & ~bits;
    const value = isConstant ? (written << lo) & bits : 0;
    constant.value = (constant.value & ~bits) | value;
  }
  return { mask: mask >>> 0, constant: { mask: constant.mask >>> 0, value: constant.value >>> 0 } };
}

function overwritten(
  type: CpuType,
  line: string,
  leaf: number,
  subleaf: number,
  register: Register,
): Overwritten {
  if (!LEAVES.has(leaf)) return NOTHING;
  const key = `${type}:${line}:${entryKey(leaf, subleaf)}:${register}`;
  let known = cache.get(key);
  if (known === undefined) {
    const there = NORMALIZED.filter(
      (row) => row.register === register && standsIn(row, leaf, subleaf),
    );
    known = overwrittenBy(there.filter((row) => appliesTo(row, type, line)));
    cache.set(key, known);
  }
  return known;
}

export function alwaysOverwritten(
  type: CpuType,
  lines: readonly string[],
  leaf: number,
  subleaf: number,
  register: Register,
): number {
  if (!LEAVES.has(leaf)) return lines.length === 0 ? 0xffff_ffff : 0;
  return lines.reduce(
    (mask, line) => (mask & overwritten(type, line, leaf, subleaf, register).mask) >>> 0,
    0xffff_ffff,
  );
}

/** The bits that every one of these releases writes with the same constant, and the constant. */
export function alwaysWritten(
  type: CpuType,
  lines: readonly string[],
  leaf: number,
  subleaf: number,
  register: Register,
): { readonly mask: number; readonly value: number } {
  const all = lines.map((line) => overwritten(type, line, leaf, subleaf, register).constant);
  const [first] = all;
  if (first === undefined) return NOTHING.constant;
  const mask = all.reduce((bits, c) => bits & c.mask & ~(c.value ^ first.value), 0xffff_ffff) >>> 0;
  return { mask, value: (first.value & mask) >>> 0 };
}

/** The newest of the releases that write the same, oldest first: it stands for them. */
export function unlikeLines(type: CpuType, lines: readonly string[]): string[] {
  const byWriting = new Map<string, string>();
  for (const line of lines.toSorted(compareLines)) byWriting.set(writingOf(type, line), line);
  return [...byWriting.values()].toSorted(compareLines);
}

/** What a release writes, as a key: which rows, and how wide the topology's ids are. */
const writingAs = byType((type) =>
  remembered((line) => {
    const applying = NORMALIZED.flatMap((row, i) => (appliesTo(row, type, line) ? [i] : []));
    return JSON.stringify(applying.length === 0 ? [] : [applying, packageShift(line)]);
  }),
);

export function writingOf(type: CpuType, line: string): string {
  return writingAs[type](line);
}

const CORE_LEVEL = { leaf: 0xb, subleaf: 1, flags: 1, eax: 0, ebx: 0, ecx: 0, edx: 0 } as const;

/**
 * Firecracker adds the core level of leaf 0BH, which KVM leaves out since
 * https://lore.kernel.org/all/20221027092036.2698180-1-pbonzini@redhat.com/
 */
function insertedTopology(
  entries: CpuidMap,
  boot: BootTopology,
  line: string,
): CpuidEntry | undefined {
  if (isEmulator(line) || entries.has(keyOf(CORE_LEVEL)) || !entries.has(entryKey(0xb, 0))) {
    return undefined;
  }
  return { ...CORE_LEVEL, ...writeTopology(CORE_LEVEL, boot, line) };
}

/** One entry after normalization; `host` is the same entry as the node shows it. */
function normalizeEntry(
  entry: CpuidEntry,
  host: CpuidEntry | undefined,
  own: readonly NormalizedField[],
  boot: BootTopology,
  line: string,
): CpuidEntry {
  const changed = { ...entry };
  const write = ({ register, hi, lo }: NormalizedField, word: number) => {
    const mask = mask32(hi, lo);
    changed[register] = ((changed[register] & ~mask) | (word & mask)) >>> 0;
  };
  for (const row of own) {
    if (typeof row.written === "number") write(row, (row.written << row.lo) >>> 0);
    else write(row, host?.[row.register] ?? 0);
  }
  const topology = { ...changed, ...writeTopology(changed, boot, line) };
  for (const row of own) if (row.written === "topology") write(row, topology[row.register]);
  return changed;
}

/** The rows of a release by leaf. */
const rowsOf = byType((type) =>
  remembered((line) =>
    groupBy(
      NORMALIZED.filter((row) => appliesTo(row, type, line)),
      ({ leaf }) => leaf,
    ),
  ),
);

/**
 * Normalization of one vCPU's entries. `host` is what the node shows a guest without a template:
 * fields that come from the host keep its values, constants and the topology are written.
 */
export function normalize(
  entries: CpuidMap,
  host: CpuidMap,
  type: CpuType,
  line: string,
  boot: BootTopology = ONE_VCPU,
  preRelease = false,
): Map<string, CpuidEntry> {
  const byLeaf = rowsOf[type](line);
  const result = new Map(entries);
  for (const [key, entry] of entries) {
    const rowsThere = byLeaf.get(entry.leaf);
    if (rowsThere === undefined) continue;
    const own = rowsThere.filter(
      (row) => standsIn(row, entry.leaf, entry.subleaf) && !isUncertain(row, { line, preRelease }),
    );
    if (own.length > 0) result.set(key, normalizeEntry(entry, host.get(key), own, boot, line));
  }
  const core = insertedTopology(entries, boot, line);
  if (core !== undefined) result.set(keyOf(core), core);
  return result;
}
