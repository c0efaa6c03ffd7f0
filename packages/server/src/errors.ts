/**
 * Every error of the fleet service: HTTP status, exit code and hint in one place.
 * docs/errors.md lists the same codes; a test keeps the two equal.
 */
import { defineErrors, type ErrorKind, type Problem } from "@evenkeel/core";

/** Exit codes are those of `evenkeel serve`, where it ends with the error. */
interface ServerErrorKind extends ErrorKind {
  readonly status: number;
}

export const SERVER_ERRORS = {
  BAD_REQUEST: { status: 400, exitCode: 2, hint: "GET /openapi.json describes every call." },
  BAD_CSR: {
    status: 400,
    exitCode: 2,
    hint: "Send a PKCS #10 request for an ECDSA P-256 key, signed with that key, as PEM.",
  },
  UNAUTHORIZED: {
    status: 401,
    exitCode: 2,
    hint: "Operators send Authorization: Bearer TOKEN; nodes the certificate they joined with.",
  },
  BAD_JOIN_TOKEN: {
    status: 401,
    exitCode: 2,
    hint: "A token lets one node join, and expires; make another with `evenkeel fleet join-token`.",
  },
  FORBIDDEN: {
    status: 403,
    exitCode: 2,
    hint: "Use a token with the named role; docs/fleet.md says what each may do.",
  },
  NOT_YOURS: {
    status: 403,
    exitCode: 2,
    hint: "A node reports only about itself, under the name that it joined with.",
  },
  NO_SUCH_ROUTE: { status: 404, exitCode: 2, hint: "GET /openapi.json describes every call." },
  NO_SUCH_NODE: { status: 404, exitCode: 1, hint: "`evenkeel fleet get nodes` lists them." },
  NO_SUCH_POOL: { status: 404, exitCode: 1, hint: "`evenkeel fleet get pools` lists them." },
  NO_SUCH_PLAN: { status: 404, exitCode: 1, hint: "`evenkeel fleet get plans` lists them." },
  NO_SUCH_TOKEN: { status: 404, exitCode: 1, hint: "GET /v1/tokens lists them." },
  NO_SUCH_CONTRACT: {
    status: 404,
    exitCode: 1,
    hint: "Agents report the contracts of their snapshots; PUT /v1/contracts adds others.",
  },
  NO_SUCH_SNAPSHOT: {
    status: 404,
    exitCode: 1,
    hint: "`evenkeel fleet get snapshots` lists what nodes hold.",
  },
  NO_SUCH_SANDBOX: {
    status: 404,
    exitCode: 1,
    hint: "`evenkeel fleet sandboxes` lists them; what a node ended by itself is gone.",
  },
  NO_SUCH_WORK: { status: 404, exitCode: 1, hint: "Work is kept for a day after it was done." },
  NO_NODE: {
    status: 409,
    exitCode: 1,
    hint: "The problems name the filters, the features and the ways out.",
  },
  NO_FILES: {
    status: 409,
    exitCode: 1,
    hint: "Bring back a node that holds the snapshot, or boot it anew from its disk.",
  },
  NODE_REFUSED: { status: 409, exitCode: 1, hint: "The message is the node's own." },
  NAME_TAKEN: { status: 409, exitCode: 1, hint: "Choose another name, or delete the other first." },
  TOO_MANY: { status: 409, exitCode: 1, hint: "Delete what is not used any more." },
  POOLS_OVERLAP: {
    status: 409,
    exitCode: 1,
    hint: "A node has one guest CPU, so it is in one pool: make the selectors exclude each other.",
  },
  PLAN_REFUSED: {
    status: 409,
    exitCode: 1,
    hint: "Leave those classes out, or make two pools; docs/planning.md explains refusals.",
  },
  STALE_PLAN: {
    status: 409,
    exitCode: 1,
    hint: "Compute a new version, and look at its difference to what runs now.",
  },
  WOULD_STRAND: {
    status: 409,
    exitCode: 1,
    hint: "Move or rebuild these snapshots first, or go on with --strand and their number.",
  },
  WRONG_STATE: { status: 409, exitCode: 1, hint: "GET the object to see its state." },
  KEY_REUSED: {
    status: 409,
    exitCode: 2,
    hint: "An Idempotency-Key stands for one request: use a new key for another.",
  },
  TOO_FAST: {
    status: 429,
    exitCode: 1,
    hint: "Wait as Retry-After says. What a node may send is bounded; docs/fleet.md has the bounds.",
  },
  BODY_TOO_LARGE: { status: 413, exitCode: 2, hint: "A profile has a few hundred kilobytes." },
  WRONG_MEDIA_TYPE: { status: 415, exitCode: 2, hint: "Send application/json." },
  SERVER_DEFECT: {
    status: 500,
    exitCode: 3,
    hint: "This is a bug in evenkeel; please report it with the server's log.",
  },
  STOPPING: { status: 503, exitCode: 1, hint: "Try again when the server is back." },
  LEADER_LOST: {
    status: 503,
    exitCode: 3,
    hint: "Nothing was written. Servers whose clocks, disks or connections stop for seconds lose their duties.",
  },
  NODE_SILENT: {
    status: 503,
    exitCode: 1,
    hint: "It will be done when the node is back. Ask again with the same Idempotency-Key, or GET it.",
  },
  STORE_DOWN: {
    status: 503,
    exitCode: 3,
    hint: "Check that PostgreSQL is up and EVENKEEL_DATABASE_URL is right. A request retried with its Idempotency-Key is done only once.",
  },
  STORE_TOO_NEW: {
    status: 500,
    exitCode: 3,
    hint: "A newer evenkeel has migrated this store; migrations only go forward.",
  },
  STORE_CHANGED: {
    status: 500,
    exitCode: 3,
    hint: "The store was migrated by another build; restore a backup, or use the build that did.",
  },
  STORE_NOT_EMPTY: {
    status: 500,
    exitCode: 2,
    hint: "Import into a new data directory, or an empty database, before its first server starts.",
  },
  BAD_EXPORT: {
    status: 500,
    exitCode: 2,
    hint: "Nothing was imported. Export again, and compare the files' sizes after a copy.",
  },
  DATA_IN_USE: {
    status: 500,
    exitCode: 3,
    hint: "Only one server can use a data directory; several servers share a PostgreSQL.",
  },
  BAD_CONFIG: { status: 500, exitCode: 2, hint: "docs/fleet.md lists every option." },
} as const satisfies Record<string, ServerErrorKind>;

export type ServerErrorCode = keyof typeof SERVER_ERRORS;

interface Details extends ErrorOptions {
  readonly problems?: readonly Problem[];
}

export class ServerError extends defineErrors("ServerError", SERVER_ERRORS) {
  readonly problems: readonly Problem[] | undefined;

  constructor(code: ServerErrorCode, message: string, details: Details = {}) {
    super(code, message, details);
    this.problems = details.problems;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
