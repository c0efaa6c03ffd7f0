/**
 * The shape of a row: one named field of a CPUID register or of an MSR, and what planning and
 * verdicts need to know about it. Bits that no row covers are reserved.
 */
import { REGISTERS, type Register } from "../cpuid.ts";

export type Vendor = "intel" | "amd";

/** Whose rows describe a CPU: each vendor of x86 has its own, all of aarch64 share theirs. */
export const CPU_TYPES = ["intel", "amd", "aarch64"] as const;
export type CpuType = (typeof CPU_TYPES)[number];

/** Something for each type of CPU. */
export function byType<T>(make: (type: CpuType) => T): Readonly<Record<CpuType, T>> {
  return { intel: make("intel"), amd: make("amd"), aarch64: make("aarch64") };
}

/**
 * How a field merges over a pool (docs/adr/0002-merge-kinds.md):
 * - `feature`: 1 only where every class has 1
 * - `union`: 1 where any class has 1, because the bit announces a weakness or a needed action
 * - `remedy`: announces that an action cures a weakness: a duty for guests, and a promise that it
 *   works (docs/adr/0006-remedies.md); 1 where any class has 1, if every class backs the promise
 * - `minimum`: the smallest number
 * - `derived`: follows from another field ({@link Field.of}) or is recomputed
 * - `identity`: one choice for the pool
 * - `topology`: describes caches, cores, frequencies; free to differ
 * - `owned`: written by KVM at run time whatever it was given
 * - `state`: an MSR that guests write; part of a vCPU's state, not of its CPU
 */
export type Kind =
  | "feature"
  | "union"
  | "remedy"
  | "minimum"
  | "derived"
  | "identity"
  | "topology"
  | "owned"
  | "state";

/** Who looks at the field. `user`: programs and C libraries; `kernel`: the guest's kernel. */
export type Reader = "user" | "kernel";

/**
 * What happens to a guest that relies on the field on a CPU that does not honour it:
 * - `fault`: an invalid opcode or a general protection fault
 * - `silent`: wrong results without a fault
 * - `insecure`: a mitigation stays off that this CPU needs
 * - `slower`: nothing but speed
 * - `none`: nothing
 */
export type RowLoss = "fault" | "silent" | "insecure" | "slower" | "none";

/**
 * How the values of several CPUs become the one that guests on all of them are shown. aarch64's rules
 * are KVM's too, by which it decides over a write (Linux's `enum ftr_type` in parentheses):
 * - `lower`: the smallest, under its sign (FTR_LOWER_SAFE)
 * - `higher`: the largest (FTR_HIGHER_SAFE)
 * - `higher-or-zero`: zero where one is zero, which means "the most there can be"
 * - `exact`: the same everywhere, else the safe value (FTR_EXACT)
 * - `equal`: the same everywhere, or there is no pool
 * - `and`: bits that every class has
 * - `or`: bits that any class has
 * - `least`: the smallest, of numbers that promise nothing by themselves
 * - `chosen`: one value for the pool, which a plan chooses
 * - `free`: left as each node has it
 */
export type MergeRule =
  | "lower"
  | "higher"
  | "higher-or-zero"
  | "exact"
  | "equal"
  | "and"
  | "or"
  | "least"
  | "chosen"
  | "free";

/** What a row says on either architecture. */
interface Field {
  /** The vendors' name; on x86 unique over all tables, on aarch64 within its register. */
  readonly name: string;
  readonly title: string;
  readonly kind: Kind;
  readonly merge: MergeRule;
  /** Highest and lowest bit, both included. */
  readonly hi: number;
  readonly lo: number;
  /** Features without which this one is inconsistent. */
  readonly requires: readonly string[];
  /** The feature the field belongs to: without it the field is zero. */
  readonly of: string | undefined;
  /** For a state component: it goes when none of these features is left. */
  readonly usedBy: readonly string[];
  /** What stands in for a missing bit: all of any one list; `!NAME`: a bit that must be absent. */
  readonly backedBy: readonly (readonly string[])[];
  readonly readBy: Reader;
  readonly loss: RowLoss;
  /** A number that follows from other rows, or that nothing but CPUID is about. */
  readonly ofCpuidAlone?: true;
  /** What Linux's /proc/cpuinfo or QEMU call it, where that is not this name. */
  readonly aka?: readonly string[];
  /** The heading a person looks under. */
  readonly group: string;
  readonly reference: string;
}

interface X86Field extends Field {
  /** Vendors that define the field; on others its bits are reserved. */
  readonly vendors: readonly Vendor[];
}

export interface CpuidField extends X86Field {
  readonly leaf: number;
  /** `undefined`: the field stands in every subleaf. */
  readonly subleaf: number | undefined;
  readonly register: Register;
}

export interface MsrField extends X86Field {
  readonly addr: number;
}

/** Rules that KVM has for a write too. */
type ArmMergeRule = Exclude<MergeRule, "or" | "least" | "chosen">;

/** One named field of a register that KVM describes an aarch64 guest's CPU with. */
export interface ArmField extends Field {
  readonly merge: ArmMergeRule;
  readonly register: string;
  /** KVM's id of the register. */
  readonly id: bigint;
  /** Two's complement: 0xf is -1 and means absent. */
  readonly signed: boolean;
  /** Zero already says that the feature is there. */
  readonly presentAtZero: boolean;
  /** What `exact` falls back to. */
  readonly safe: bigint;
  /**
   * KVM once showed guests the field by mistake, and shows 0 since this Linux release. From there
   * on it takes the old value of a snapshot where the hardware has it, and ignores it: no guest
   * could ever use the feature, and a plan leaves the field as each node has it.
   * Source: `set_id_aa64pfr0_el1`, `set_id_aa64pfr1_el1`, `set_id_aa64mmfr2_el1` in Linux
   * arch/arm64/kvm/sys_regs.c.
   */
  readonly ignoredSince?: string;
}

/** A row of either architecture. */
export type AnyField = CpuidField | MsrField | ArmField;

/** A row without its place; the place is given once per register. */
export type Row = Omit<X86Field, "vendors" | "reference"> & {
  readonly vendors?: readonly Vendor[];
  readonly reference?: string;
};

export interface Options {
  readonly requires?: readonly string[];
  readonly of?: string;
  readonly usedBy?: readonly string[];
  readonly backedBy?: readonly (readonly string[])[];
  readonly aka?: readonly string[];
  readonly ofCpuidAlone?: true;
  readonly vendors?: readonly Vendor[];
  readonly reference?: string;
}

type Bits = number | readonly [hi: number, lo: number];

interface Character {
  readonly kind: Kind;
  readonly readBy: Reader;
  readonly loss: RowLoss;
}

const MERGE_OF: Readonly<Record<Kind, MergeRule>> = {
  feature: "lower",
  union: "or",
  remedy: "or",
  minimum: "least",
  derived: "least",
  identity: "chosen",
  topology: "free",
  owned: "free",
  state: "free",
};

function row(
  bits: Bits,
  name: string,
  title: string,
  group: string,
  character: Character,
  options: Options = {},
): Row {
  const [hi, lo] = typeof bits === "number" ? [bits, bits] : bits;
  const { requires = [], usedBy = [], backedBy = [], of, ...rest } = options;
  const merge = MERGE_OF[character.kind];
  return {
    name,
    title,
    hi,
    lo,
    group,
    merge,
    ...character,
    requires,
    usedBy,
    backedBy,
    of,
    ...rest,
  };
}

type Builder = (bits: Bits, name: string, title: string, group: string, options?: Options) => Row;

function builder(kind: Kind, readBy: Reader, loss: RowLoss): Builder {
  return (bits, name, title, group, options) =>
    row(bits, name, title, group, { kind, readBy, loss }, options);
}

/** An instruction that programs execute: gone means #UD. */
export const instruction = builder("feature", "user", "fault");
/** An instruction that older CPUs decode as another one: gone means wrong results. */
export const aliased = builder("feature", "user", "silent");
/** Something the guest's kernel uses: gone means a fault in the kernel. */
export const kernel = builder("feature", "kernel", "fault");
/** A promise that something is fast. */
export const hint = builder("feature", "user", "slower");
/** A promise of speed that only a kernel looks at. */
export const kernelHint = builder("feature", "kernel", "slower");
/** A promise that a vulnerability is absent or that a mitigation is not needed. */
export const immunity = builder("feature", "kernel", "insecure");
/** A mitigation that a guest may switch on: where it is missing, the mitigation stays off. */
export const control = builder("feature", "kernel", "insecure");
/** Something a guest's kernel reads but cannot use, or could not use before either. */
export const unusable = builder("feature", "kernel", "none");
/** An announcement of a weakness, or of a lack that a mitigation depends on. */
export const weakness = builder("union", "kernel", "insecure");
/** An announcement of a lack that no mitigation depends on. */
export const lack = builder("union", "kernel", "none");
/** An announcement that VERW clears buffers: guests must execute it, and may rely on it. */
export const remedy = builder("remedy", "kernel", "insecure");
/** A number that must fit every member. */
export const minimum = builder("minimum", "kernel", "fault");
/** A value that belongs to a feature and must be the same everywhere, or that is recomputed. */
export const derived = builder("derived", "kernel", "fault");
/** A value that belongs to a feature which guests cannot use. */
export const unusableValue = builder("derived", "kernel", "none");
export const identity = builder("identity", "kernel", "insecure");
export const topology = builder("topology", "kernel", "none");
export const ownedByKvm = builder("owned", "kernel", "none");
export const state = builder("state", "kernel", "none");

const BOTH: readonly Vendor[] = ["intel", "amd"];

interface Place {
  readonly vendors?: readonly Vendor[];
  readonly reference: string;
}

/** The features that a row needs. */
export function needs(...requires: readonly string[]): Options {
  return { requires };
}

/** Places rows in one CPUID register. A row's own vendors and reference win over the place's. */
export function inRegister(
  leaf: number,
  subleaf: number | undefined,
  register: Register,
  place: Place,
  rows: readonly Row[],
): CpuidField[] {
  const { vendors = BOTH, reference } = place;
  return rows.map((r) => ({ vendors, reference, ...r, leaf, subleaf, register }));
}

/** {@link inRegister} for several registers of one entry. */
export function inEntry(
  leaf: number,
  subleaf: number,
  place: Place,
  rows: Partial<Record<Register, readonly Row[]>>,
): CpuidField[] {
  return REGISTERS.flatMap((register) =>
    inRegister(leaf, subleaf, register, place, rows[register] ?? []),
  );
}

/** One row for each register of a leaf, in all its subleaves; named after leaf and register. */
export function wholeLeaf(leaf: number, place: Place, rowOf: (name: string) => Row): CpuidField[] {
  const digits = (leaf & 0xff).toString(16).toUpperCase().padStart(2, "0");
  const name = `LEAF_${leaf >= 0x8000_0000 ? "80_" : ""}${digits}`;
  return REGISTERS.flatMap((register) =>
    inRegister(leaf, undefined, register, place, [rowOf(`${name}_${register}`)]),
  );
}

/** Places rows in one MSR. */
export function inMsr(addr: number, place: Place, rows: readonly Row[]): MsrField[] {
  const { vendors = BOTH, reference } = place;
  return rows.map((r) => ({ vendors, reference, ...r, addr }));
}
