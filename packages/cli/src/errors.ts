/**
 * Every error of the command line: code, exit code and hint in one place.
 * docs/errors.md lists the same codes; a test keeps the two equal.
 */
import {
  CoreError,
  defineErrors,
  FileError,
  formatProblem,
  KnownError,
  type ErrorKind,
  type Problem,
} from "@evenkeel/core";

export const CLI_ERRORS = {
  USAGE: { exitCode: 2, hint: "See `evenkeel --help`." },
  UNREADABLE: { exitCode: 2, hint: "Check the path and its permissions." },
  DIRECTORY: { exitCode: 2, hint: "Give the files in it, for example DIR/*.json." },
  TOO_LARGE: {
    exitCode: 2,
    hint: "A profile or a plan has a few hundred kilobytes; of a log, give the lines that matter.",
  },
  STDIN_TWICE: { exitCode: 2, hint: "Standard input can be read once; give the other as a file." },
  WRITE_FAILED: {
    exitCode: 3,
    hint: "Nothing was left half-written; check space and permissions.",
  },
  CANNOT_BOOT: {
    exitCode: 1,
    hint: "Firecracker refuses the template on this node; `evenkeel lint` says why.",
  },
  NO_VERSION: {
    exitCode: 2,
    hint: "Name the Firecracker version with --firecracker, for example 1.14.1.",
  },
  INTERNAL: { exitCode: 3, hint: "This is a defect of evenkeel; please report it with the input." },
} as const satisfies Record<string, ErrorKind>;

export class CliError extends defineErrors("CliError", CLI_ERRORS) {}

export interface Reported extends ErrorKind {
  readonly code: string;
  readonly message: string;
  readonly file?: string;
  readonly problems?: readonly Problem[];
}

/** Any error as data: what is printed and what `--json` shows. */
export function describeError(error: unknown): Reported {
  if (error instanceof FileError) {
    return { ...describeCore(error.cause, `${error.file}: `), file: error.file };
  }
  if (error instanceof CoreError) return describeCore(error, "");
  if (error instanceof KnownError) {
    const { code, message, exitCode, hint } = error;
    return { code, message, exitCode, hint };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "INTERNAL", message, ...CLI_ERRORS.INTERNAL };
}

const SHOWN_PROBLEMS = 5;

function describeCore(error: CoreError, prefix: string): Reported {
  const { code, hint, exitCode, problems } = error;
  const shown = problems.slice(0, SHOWN_PROBLEMS).map((p) => prefix + formatProblem(p));
  const more = problems.length - shown.length;
  if (more > 0) shown.push(`… and ${more} more`);
  return { code, message: shown.join("\n"), hint, exitCode, problems };
}
