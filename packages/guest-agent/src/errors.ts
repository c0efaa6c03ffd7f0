/** What a call can fail with: Connect's codes, and the HTTP status that each has. */

// https://connectrpc.com/docs/protocol/#error-codes
const STATUSES = {
  invalid_argument: 400,
  unauthenticated: 401,
  not_found: 404,
  already_exists: 409,
  resource_exhausted: 429,
  deadline_exceeded: 504,
  internal: 500,
  unimplemented: 501,
} as const;

type Code = keyof typeof STATUSES;

export class CallError extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get status(): number {
    return STATUSES[this.code];
  }
}

const BY_ERRNO: Readonly<Record<string, Code>> = {
  ENOENT: "not_found",
  ENOTDIR: "invalid_argument",
  EISDIR: "invalid_argument",
  ENAMETOOLONG: "invalid_argument",
  EEXIST: "already_exists",
  ENOSPC: "resource_exhausted",
};

/** Any error as one that a caller can be told. */
export function callErrorOf(error: unknown): CallError {
  if (error instanceof CallError) return error;
  if (!(error instanceof Error)) return new CallError("internal", String(error));
  const { code = "", message }: NodeJS.ErrnoException = error;
  return new CallError(BY_ERRNO[code] ?? "internal", message, { cause: error });
}
