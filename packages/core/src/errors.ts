/**
 * How every package defines its errors, and those of this one. docs/errors.md is made from the
 * registries with `npm run docs`; a test keeps it equal.
 */

export interface ErrorKind {
  /** 1: the answer is no; 2: usage or bad input; 3: the environment failed. */
  readonly exitCode: 1 | 2 | 3;
  /** What to do about it: one or two sentences for the person who reads the message. */
  readonly hint: string;
}

export abstract class KnownError extends Error implements ErrorKind {
  abstract readonly code: string;
  abstract get exitCode(): ErrorKind["exitCode"];
  abstract get hint(): string;
}

type Kinds = Readonly<Record<string, ErrorKind>>;

export interface ErrorOf<K extends Kinds> extends KnownError {
  readonly code: keyof K & string;
  /** The registry's row, for what a package keeps there besides. */
  readonly kind: K[keyof K & string];
  readonly exitCode: K[keyof K & string]["exitCode"];
  readonly hint: string;
}

/** A package's error class: `class HostError extends defineErrors("HostError", HOST_ERRORS) {}`. */
export function defineErrors<K extends Kinds>(
  name: string,
  kinds: K,
): new (code: keyof K & string, message: string, options?: ErrorOptions) => ErrorOf<K> {
  type Code = keyof K & string;
  return class extends KnownError {
    readonly code: Code;

    constructor(code: Code, message: string, options?: ErrorOptions) {
      super(message, options);
      this.name = name;
      this.code = code;
    }

    get kind(): K[Code] {
      return kinds[this.code];
    }

    get exitCode(): K[Code]["exitCode"] {
      return this.kind.exitCode;
    }

    get hint(): string {
      return this.kind.hint;
    }
  };
}

/** What is wrong with what somebody gave: exit code 2. */
function badInput<Code extends string>(hints: Readonly<Record<Code, string>>) {
  return Object.fromEntries(
    Object.entries(hints).map(([code, hint]) => [code, { exitCode: 2, hint }]),
  ) as Readonly<Record<Code, { readonly exitCode: 2; readonly hint: string }>>;
}

export const CORE_ERRORS = badInput({
  NOT_JSON: "The file must be one JSON document; a truncated copy ends too early.",
  UNKNOWN_FORMAT:
    "docs/formats.md lists every supported format: profiles, plans, templates, CPU dumps.",
  BAD_FIELD: "Correct the named field; docs/formats.md describes every format.",
  NOT_A_PROFILE: "Give a node's profile: a fingerprint, a template dump or an evenkeel profile.",
  NOT_COMPARABLE: "Compare two CPUs (profiles, fingerprints, plans) or two CPU templates.",
  EMPTY_POOL: "Give at least one profile.",
  DUPLICATE_NODE: "Give each node a unique name: the `name` in its profile, else the file name.",
  UNKNOWN_FEATURE:
    "Names are those of `evenkeel show`, such as AVX512F, or a level such as x86-64-v3.",
  UNKNOWN_NODE: "Name a node by its profile's name, or a class of nodes by its id.",
  UNKNOWN_CLASS: "Name a class by its id, or by its model, as `evenkeel plan` prints them.",
  UNKNOWN_MODEL: "Give MODEL or MODEL@KERNEL as `evenkeel models` lists them.",
  UNKNOWN_VENDOR:
    "Intel, AMD and aarch64 CPUs are known; docs/formats.md says what a profile must have.",
  UNKNOWN_VERSION:
    "Give a Firecracker release such as 1.12 or 1.14.1; docs/firecracker.md lists them.",
  NOT_A_TEMPLATE:
    "Give a CPU template's JSON file, a plan, or the name of a built-in template such as T2CL.",
  NOT_A_CONTRACT: "Give the contract of a snapshot; `evenkeel contract` makes one.",
  NOT_A_PLAN: "Give a plan.json, or the directory that holds it.",
  BAD_DUMP: "Make the dump again; docs/formats.md says how.",
  UNLIKE_CORES: "Guests move between cores: disable the cores with fewer features, and dump again.",
  UNKNOWN_KERNEL: "Give a host kernel release such as 6.1; docs/estimates.md says which are known.",
  BAD_IDENTITY: "Give oldest, keep, or family/model/stepping such as 6/85/7.",
});

export type CoreErrorCode = keyof typeof CORE_ERRORS;

/** One thing that is wrong, and where: a path such as `cpuid_modifiers[3].leaf`, or `line 4`. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

export class CoreError extends defineErrors("CoreError", CORE_ERRORS) {
  readonly problems: readonly Problem[];

  constructor(code: CoreErrorCode, problems: readonly Problem[]) {
    super(code, problems.map(formatProblem).join("; "));
    this.problems = problems;
  }
}

/** A {@link CoreError} with the file it was found in; code, exit code and hint are its cause's. */
export class FileError extends KnownError {
  readonly file: string;
  override readonly cause: CoreError;

  constructor(file: string, cause: CoreError) {
    super(`${file}: ${cause.message}`);
    this.name = "FileError";
    this.file = file;
    this.cause = cause;
  }

  get code(): CoreErrorCode {
    return this.cause.code;
  }

  get exitCode(): 1 | 2 | 3 {
    return this.cause.exitCode;
  }

  get hint(): string {
    return this.cause.hint;
  }
}

/** Names the file in an error of what was read from it. Throws {@link FileError}. */
export function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof CoreError ? new FileError(file, error) : error;
  }
}

export function formatProblem({ path, message }: Problem): string {
  return path === "" ? message : `${path}: ${message}`;
}

export function fail(code: CoreErrorCode, message: string, path = ""): never {
  throw new CoreError(code, [{ path, message }]);
}

export function notComparable(a: string, b: string): never {
  return fail("NOT_COMPARABLE", `a ${a} and a ${b} cannot be compared`);
}
