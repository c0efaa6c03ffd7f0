/**
 * Every error of this package: code, exit code and hint in one place.
 * docs/errors.md lists the same codes; a test keeps the two equal.
 */
interface ErrorKind {
  /** 1: the answer is no; 2: bad input. */
  readonly exitCode: 1 | 2;
  readonly hint: string;
}

export const CORE_ERRORS = {
  NOT_JSON: {
    exitCode: 2,
    hint: "The file must be one JSON document; a copy that was cut short ends too early.",
  },
  UNKNOWN_FORMAT: {
    exitCode: 2,
    hint: "docs/formats.md lists every format that is read: profiles, plans, templates, CPU dumps.",
  },
  BAD_FIELD: {
    exitCode: 2,
    hint: "Correct the field that is named; docs/formats.md describes every format.",
  },
  NOT_A_PROFILE: {
    exitCode: 2,
    hint: "Give what a node offers: a fingerprint, a template dump or an evenkeel profile.",
  },
  NOT_COMPARABLE: {
    exitCode: 2,
    hint: "Compare two of a kind: CPUs (profiles, fingerprints, plans) or two CPU templates.",
  },
  EMPTY_POOL: { exitCode: 2, hint: "Name at least one profile." },
  DUPLICATE_NODE: {
    exitCode: 2,
    hint: "Give each node a name of its own: the `name` in its profile, else the file's name.",
  },
  UNKNOWN_FEATURE: {
    exitCode: 2,
    hint: "Names are those of `evenkeel show`, such as AVX512F, or a level such as x86-64-v3.",
  },
  UNKNOWN_CLASS: {
    exitCode: 2,
    hint: "Name a class by its id, or by its model, as `evenkeel plan` prints them.",
  },
  UNKNOWN_MODEL: {
    exitCode: 2,
    hint: "Give MODEL or MODEL@KERNEL as `evenkeel models` lists them.",
  },
  UNKNOWN_VERSION: {
    exitCode: 2,
    hint: "Give a Firecracker release such as 1.12 or 1.14.1; docs/firecracker.md lists them.",
  },
  NOT_A_TEMPLATE: {
    exitCode: 2,
    hint: "Give a CPU template's JSON file, or a built-in one: T2CL, T2S, T2, C3, T2A, V1N1.",
  },
  NOT_A_CONTRACT: {
    exitCode: 2,
    hint: "Give the contract of a snapshot; `evenkeel contract` makes one.",
  },
  NOT_A_PLAN: { exitCode: 2, hint: "Give a plan.json, or the directory that holds it." },
  BAD_DUMP: {
    exitCode: 2,
    hint: "Make the dump again; docs/formats.md says how each kind is made.",
  },
  UNLIKE_CORES: {
    exitCode: 2,
    hint: "Guests move between cores: disable the cores that can do less, and dump again.",
  },
  UNKNOWN_KERNEL: {
    exitCode: 2,
    hint: "Give a host kernel's release such as 6.1; docs/estimates.md says what is known.",
  },
  BAD_IDENTITY: {
    exitCode: 2,
    hint: "Give oldest, keep, or family/model/stepping such as 6/85/7.",
  },
} as const satisfies Record<string, ErrorKind>;

export type CoreErrorCode = keyof typeof CORE_ERRORS;

/** One thing that is wrong, and where: a path such as `cpuid_modifiers[3].leaf`, or `line 4`. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

export class CoreError extends Error {
  readonly code: CoreErrorCode;
  readonly problems: readonly Problem[];

  constructor(code: CoreErrorCode, problems: readonly Problem[]) {
    super(problems.map(formatProblem).join("; "));
    this.name = "CoreError";
    this.code = code;
    this.problems = problems;
  }

  get exitCode(): 1 | 2 {
    return CORE_ERRORS[this.code].exitCode;
  }

  get hint(): string {
    return CORE_ERRORS[this.code].hint;
  }
}

export function formatProblem({ path, message }: Problem): string {
  return path === "" ? message : `${path}: ${message}`;
}

export function fail(code: CoreErrorCode, message: string, path = ""): never {
  throw new CoreError(code, [{ path, message }]);
}

/** Two documents that have nothing to compare. */
export function notComparable(a: string, b: string): never {
  return fail("NOT_COMPARABLE", `a ${a} and a ${b} cannot be compared`);
}
