/** What reading a function comes to. */

/**
 * How sure it is that bytes are an instruction of the program:
 * - `certain`: reached from the function's start by branches alone
 * - `likely`: between such code, inside the function's bounds, and reads as code to its end:
 *   switch cases, exception handlers
 * - `doubtful`: does not read as code to its end, or nothing leads there; probably data
 */
export const GRADES = ["certain", "likely", "doubtful"] as const;
export type Grade = (typeof GRADES)[number];

/** Indices of {@link GRADES}. */
export const [CERTAIN, LIKELY, DOUBTFUL] = [0, 1, 2] as const;
export type GradeIndex = 0 | 1 | 2;

export interface FunctionCode {
  /** Instructions that need features: count by code × 3 + grade. */
  readonly uses: ReadonlyMap<number, number>;
  /** Codes on the path that always runs, up to the first condition. */
  readonly straight: ReadonlySet<number>;
  /** Targets of direct calls and of jumps out of the function. */
  readonly targets: readonly number[];
  /** Those of {@link targets} on the path that always runs. */
  readonly straightTargets: readonly number[];
  /** Addresses that instructions name relative to themselves: data, mostly. */
  readonly references: readonly number[];
  /** Those of {@link references} that are only taken: data, or a function to call later. */
  readonly taken: readonly number[];
  /** Places that calls and jumps take their addresses from. */
  readonly slots: readonly number[];
  /** Those of {@link references} that are written to. */
  readonly written: readonly number[];
  /** Offsets that computed jumps lead to, by tables that were found. */
  readonly cases: ReadonlyMap<number, readonly number[]>;
  /** Whether it executes CPUID. */
  readonly cpuid: boolean;
  /** Instructions on floating-point numbers in the form that every CPU has. */
  readonly plainFloats: number;
  readonly instructions: number;
  /** Offset of an instruction that this decoder does not know, on a path from the start. */
  readonly unknownAt: number | undefined;
  /** Bytes inside the bounds that are no code that could be read. */
  readonly unread: number;
  /** Bytes from the start to the end of the last instruction. */
  readonly extent: number;
}

/** There are a million functions in a browser: what is empty is shared. */
export const NO_USES: ReadonlyMap<number, number> = new Map();
export const NO_CODES: ReadonlySet<number> = new Set();
export const NOWHERE: readonly number[] = [];
export const NO_CASES: ReadonlyMap<number, readonly number[]> = new Map();

/** What may be data: it needs nothing for sure and leads nowhere. */
export function doubtfulCode(counts: ReadonlyMap<number, number>): FunctionCode {
  return {
    uses: new Map([...counts].map(([code, n]) => [code * 3 + DOUBTFUL, n])),
    straight: NO_CODES,
    targets: NOWHERE,
    straightTargets: NOWHERE,
    references: NOWHERE,
    taken: NOWHERE,
    slots: NOWHERE,
    written: NOWHERE,
    cases: NO_CASES,
    cpuid: false,
    plainFloats: 0,
    instructions: 0,
    unknownAt: undefined,
    unread: 0,
    extent: 0,
  };
}
