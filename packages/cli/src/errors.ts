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
import { printableIn } from "./printable.ts";

export const CLI_ERRORS = {
  USAGE: { exitCode: 2, hint: "See `evenkeel --help`." },
  UNREADABLE: { exitCode: 2, hint: "Check the path and its permissions." },
  DIRECTORY: {
    exitCode: 2,
    hint: "Give files, for example DIR/*.json, or a directory of profiles.",
  },
  TOO_LARGE: {
    exitCode: 2,
    hint: "A profile or a plan has a few hundred kilobytes; of a log, give only the relevant lines.",
  },
  STDIN_TWICE: {
    exitCode: 2,
    hint: "Standard input can be read only once; give the other input as a file.",
  },
  WRITE_FAILED: {
    exitCode: 3,
    hint: "No partial file was left behind; check permissions and free space.",
  },
  CANNOT_BOOT: {
    exitCode: 1,
    hint: "Firecracker refuses the template on this node; `evenkeel lint` says why.",
  },
  NO_VERSION: {
    exitCode: 2,
    hint: "Name the Firecracker version with --firecracker, for example 1.14.1.",
  },
  NO_FLEET: {
    exitCode: 2,
    hint: "`evenkeel fleet login NAME --server URL --token-file FILE` adds a fleet.",
  },
  WRONG_CA: {
    exitCode: 2,
    hint: "Ask whoever runs the server for its CA's digest: `evenkeel serve` prints it.",
  },
  FLEET_UNREACHABLE: { exitCode: 3, hint: "Check that the server is up and its address right." },
  FLEET_REFUSED: { exitCode: 3, hint: "The message is the server's own." },
  CHANGED: { exitCode: 1, hint: "Review it again (`evenkeel fleet describe`), then decide." },
  NO_SNAPSHOT: { exitCode: 1, hint: "`evenkeel fleet get snapshots` lists what nodes hold." },
  INTERNAL: { exitCode: 3, hint: "This is a bug in evenkeel; please report it with the input." },
} as const satisfies Record<string, ErrorKind>;

export class CliError extends defineErrors("CliError", CLI_ERRORS) {}

/** What the fleet's server answered: its own code, message and hint. */
export class FleetError extends KnownError {
  readonly code: string;
  readonly exitCode: 1 | 2 | 3;
  readonly hint: string;
  readonly problems: readonly Problem[];

  private constructor(
    told: Pick<FleetError, "code" | "message" | "exitCode" | "hint" | "problems">,
  ) {
    const { code, message, exitCode, hint, problems } = printableIn(told);
    super(message);
    this.name = "FleetError";
    this.code = code;
    this.exitCode = exitCode;
    this.hint = hint;
    this.problems = problems;
  }

  /** An answer of another kind is FLEET_REFUSED. */
  static of(server: string, status: number, text: string): FleetError {
    try {
      const { error } = JSON.parse(text) as { error: Record<string, unknown> };
      const { code, message, hint, problems = [] } = error;
      if (typeof code === "string" && typeof message === "string" && typeof hint === "string") {
        const exitCode = status >= 500 ? 3 : status === 404 || status === 409 ? 1 : 2;
        return new FleetError({ code, message, hint, exitCode, problems: problems as Problem[] });
      }
    } catch {
      // Not a server of ours, or something in between.
    }
    const { exitCode, hint } = CLI_ERRORS.FLEET_REFUSED;
    const message = `${server} answered HTTP ${status}`;
    return new FleetError({ code: "FLEET_REFUSED", message, hint, exitCode, problems: [] });
  }
}

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
