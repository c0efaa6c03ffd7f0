/**
 * The shape of a row: one named field of a CPUID register or of an MSR, and what planning and
 * verdicts need to know about it. Bits that no row covers are reserved.
 */
import type { Register } from "../cpuid.ts";

export type Vendor = "intel" | "amd";

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

interface Field {
  /** The vendors' name; unique over all tables. */
  readonly name: string;
  readonly title: string;
  readonly kind: Kind;
  /** Highest and lowest bit, both included. */
  readonly hi: number;
  readonly lo: number;
  /** Vendors that define the field; on others its bits are reserved. */
  readonly vendors: readonly Vendor[];
  /** Features without which this one is inconsistent. */
  readonly requires: readonly string[];
  /** The feature the field belongs to: without it the field is zero. */
  readonly of: string | undefined;
  /** For a state component: it goes when none of these features is left. */
  readonly usedBy: readonly string[];
  /**
   * What backs a promise of this bit where the bit itself is missing: all names of any one list,
   * `!NAME` for a bit that must be absent.
   */
  readonly backedBy: readonly (readonly string[])[];
  readonly readBy: Reader;
  readonly loss: RowLoss;
  /** What Linux's /proc/cpuinfo or QEMU call it, where that is not this name. */
  readonly aka?: readonly string[];
  /** The heading a person looks under. */
  readonly group: string;
  readonly reference: string;
}

export interface CpuidField extends Field {
  readonly leaf: number;
  /** `undefined`: the field stands in every subleaf. */
  readonly subleaf: number | undefined;
  readonly register: Register;
}

export interface MsrField extends Field {
  readonly addr: number;
}

/** A row without its place; the place is given once per register. */
export type Row = Omit<Field, "vendors" | "reference"> & {
  readonly vendors?: readonly Vendor[];
  readonly reference?: string;
};

export interface Options {
  readonly requires?: readonly string[];
  readonly of?: string;
  readonly usedBy?: readonly string[];
  readonly backedBy?: readonly (readonly string[])[];
  readonly aka?: readonly string[];
  readonly vendors?: readonly Vendor[];
  readonly reference?: string;
}

type Bits = number | readonly [hi: number, lo: number];

interface Character {
  readonly kind: Kind;
  readonly readBy: Reader;
  readonly loss: RowLoss;
}

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
  return { name, title, hi, lo, group, ...character, requires, usedBy, backedBy, of, ...rest };
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

/** Places rows in one MSR. */
export function inMsr(addr: number, place: Place, rows: readonly Row[]): MsrField[] {
  const { vendors = BOTH, reference } = place;
  return rows.map((r) => ({ vendors, reference, ...r, addr }));
}
