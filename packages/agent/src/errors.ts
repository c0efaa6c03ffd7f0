/**
 * Every error of the agent: HTTP status, exit code and hint in one place.
 * docs/errors.md lists the same codes; a test keeps the two equal.
 */
import {
  defineErrors,
  type ErrorKind,
  type Finding,
  type Problem,
  type Verdict,
} from "@evenkeel/core";
import type { ZodError } from "zod";

/** The exit code is that of `evenkeel agent`, where it ends with this error. */
interface HttpErrorKind extends ErrorKind {
  readonly status: number;
}

export const AGENT_ERRORS = {
  BAD_REQUEST: { status: 400, exitCode: 2, hint: "GET /openapi.json describes every call." },
  BAD_ARCHIVE: {
    status: 400,
    exitCode: 2,
    hint: "Send the complete output of GET /v1/snapshots/{name}/export.",
  },
  NO_SUCH_IMAGE: {
    status: 400,
    exitCode: 2,
    hint: "Put the file into the node's directory of kernels or images.",
  },
  NO_SUCH_RELEASE: {
    status: 400,
    exitCode: 2,
    hint: "GET /v1/health lists the releases that this node has.",
  },
  UNAUTHORIZED: {
    status: 401,
    exitCode: 2,
    hint: "Send one of the agent's tokens: Authorization: Bearer TOKEN.",
  },
  FORBIDDEN: {
    status: 403,
    exitCode: 2,
    hint: "Use a token of the named role; docs/security.md says what each role can do.",
  },
  NO_SUCH_ROUTE: { status: 404, exitCode: 2, hint: "GET /openapi.json describes every call." },
  WRONG_METHOD: { status: 405, exitCode: 2, hint: "The Allow header lists the methods." },
  NO_SUCH_SANDBOX: { status: 404, exitCode: 1, hint: "GET /v1/sandboxes lists them." },
  NO_SUCH_SNAPSHOT: { status: 404, exitCode: 1, hint: "GET /v1/snapshots lists them." },
  NAME_TAKEN: { status: 409, exitCode: 1, hint: "Choose another name, or delete the other first." },
  BUSY: { status: 409, exitCode: 1, hint: "Try again when the named operation has finished." },
  WRONG_STATE: { status: 409, exitCode: 1, hint: "GET the sandbox to see its state." },
  IN_USE: { status: 409, exitCode: 1, hint: "End whatever uses it first." },
  SNAPSHOT_DAMAGED: {
    status: 409,
    exitCode: 1,
    hint: "Import an intact copy from another node, then delete this one; check the disk.",
  },
  UNTRUSTED: {
    status: 403,
    exitCode: 1,
    hint: "Sign on the node that takes snapshots (EVENKEEL_SIGNING_KEY), and add its key to EVENKEEL_TRUSTED_KEYS.",
  },
  OUT_OF_REACH: {
    status: 409,
    exitCode: 3,
    hint: "Its VMM runs in another PID namespace, or does not exit; run the agent where it can see the process.",
  },
  RESUME_REFUSED: {
    status: 409,
    exitCode: 1,
    hint: "Resume it on a compatible node, or boot a new guest with the pool's plan.",
  },
  OTHER_VMM: {
    status: 409,
    exitCode: 1,
    hint: "Resume it on a node with the VMM that took it.",
  },
  NETWORK_OFF: {
    status: 409,
    exitCode: 1,
    hint: "The operator enables guest networks with EVENKEEL_NETWORK_POOL; docs/network.md has the steps.",
  },
  EGRESS_REFUSED: {
    status: 400,
    exitCode: 2,
    hint: "docs/network.md describes egress rules; only the operator can open special networks.",
  },
  PORT_CLOSED: {
    status: 502,
    exitCode: 1,
    hint: "Check that the guest listens on this port, on all addresses.",
  },
  UPGRADE_NEEDED: {
    status: 426,
    exitCode: 2,
    hint: "Send `Connection: Upgrade` and `Upgrade: tcp`; docs/network.md has an example.",
  },
  CPU_REFUSED: {
    status: 409,
    exitCode: 1,
    hint: "Choose a CPU template that this node and its Firecracker can boot.",
  },
  BODY_TOO_LARGE: { status: 413, exitCode: 2, hint: "A request has at most 256 KiB." },
  WRONG_MEDIA_TYPE: {
    status: 415,
    exitCode: 2,
    hint: "Send application/json, or application/x-tar for an import.",
  },
  AGENT_DEFECT: {
    status: 500,
    exitCode: 3,
    hint: "This is a bug in evenkeel; please report it with the agent's log.",
  },
  VMM_FAILED: { status: 500, exitCode: 3, hint: "The message is the VMM's own." },
  NODE_FULL: {
    status: 503,
    exitCode: 1,
    hint: "Kill a sandbox, or raise EVENKEEL_MAX_SANDBOXES or EVENKEEL_MAX_MEMORY_MIB.",
  },
  TOO_MANY_READERS: { status: 503, exitCode: 1, hint: "Close one of the event streams." },
  STOPPING: { status: 503, exitCode: 1, hint: "Try again when the agent is back." },
  NOT_READY: {
    status: 504,
    exitCode: 1,
    hint: "See the end of the console in the message; allow more time if the guest was still starting.",
  },
  DISK_FULL: {
    status: 507,
    exitCode: 3,
    hint: "No partial file was left behind; free space in the data directory.",
  },
  JOIN_FAILED: {
    status: 500,
    exitCode: 3,
    hint: "Check that the server is up and the token unused; `evenkeel fleet join-token` makes a new one.",
  },
  SERVER_UNREACHABLE: {
    status: 503,
    exitCode: 3,
    hint: "Check EVENKEEL_SERVER and the network; sandboxes keep running without the server.",
  },
  SERVER_REFUSED: {
    status: 502,
    exitCode: 3,
    hint: "The message is the fleet server's own; docs/fleet.md describes its errors.",
  },
  BAD_PLAN: {
    status: 500,
    exitCode: 1,
    hint: "Compute the pool's plan again, and approve it.",
  },
  NO_PLAN: {
    status: 503,
    exitCode: 1,
    hint: "Approve a plan for the pool, or make the pool with `--unplanned allow`; GET /v1/health says which plan is missing.",
  },
  BAD_CONFIG: { status: 500, exitCode: 2, hint: "docs/agent.md lists every option." },
  STALE_PROFILE: {
    status: 500,
    exitCode: 1,
    hint: "Probe again (`evenkeel probe`), and check the change with `evenkeel drift`. To use another machine's profile on purpose, set EVENKEEL_FOREIGN_PROFILE=1.",
  },
  DATA_IN_USE: {
    status: 500,
    exitCode: 3,
    hint: "A data directory belongs to one agent; stop the other agent or use another directory.",
  },
} as const satisfies Record<string, HttpErrorKind>;

export type AgentErrorCode = keyof typeof AGENT_ERRORS;

interface Details extends ErrorOptions {
  readonly verdict?: Verdict;
  readonly findings?: readonly Finding[];
  readonly problems?: readonly Problem[];
}

export class AgentError extends defineErrors("AgentError", AGENT_ERRORS) {
  readonly verdict: Verdict | undefined;
  readonly findings: readonly Finding[] | undefined;
  readonly problems: readonly Problem[] | undefined;

  constructor(code: AgentErrorCode, message: string, details: Details = {}) {
    super(code, message, details);
    this.verdict = details.verdict;
    this.findings = details.findings;
    this.problems = details.problems;
  }

  get status(): number {
    return this.kind.status;
  }
}

/** The first few problems of a caller's JSON; the rest are usually similar. */
const MOST_ISSUES = 8;

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Zod's own message is its list of issues as JSON.
  const { issues } = error as Partial<ZodError>;
  if (!Array.isArray(issues)) return error.message;
  return issues
    .slice(0, MOST_ISSUES)
    .map(({ path, message }) => `${path.join(".")}: ${message}`)
    .join("; ");
}

const NO_SPACE = new Set(["ENOSPC", "EDQUOT"]);
/** A VMM reports a full disk in the words of its own language. */
const NO_SPACE_TEXT = /No space left on device|os error (?:28|122)\b|Disk quota exceeded/;

/** What to answer when a VMM or the file system failed. */
export function asVmmError(error: unknown, doing: string): Error {
  if (error instanceof AgentError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const message = messageOf(error);
  const full = NO_SPACE.has(code) || NO_SPACE_TEXT.test(message);
  return new AgentError(full ? "DISK_FULL" : "VMM_FAILED", `${doing}: ${message}`, {
    cause: error,
  });
}
