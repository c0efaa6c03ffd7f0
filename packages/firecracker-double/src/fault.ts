/** A call that Firecracker refuses: status, and the words of its `fault_message`. */
export class FaultError extends Error {
  readonly status: number;
  /** The process ends after the answer: a failed load leaves nothing to go on with. */
  readonly fatal: boolean;

  constructor(message: string, status = 400, fatal = false) {
    super(message);
    this.name = "FaultError";
    this.status = status;
    this.fatal = fatal;
  }
}

export function fault(message: string): FaultError {
  return new FaultError(message);
}

/** Runs something and puts words before those of a fault, as nested errors of Firecracker do. */
export function within<T>(prefix: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof FaultError) throw new FaultError(prefix + error.message, error.status);
    throw error;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "No such file or directory (os error 2)",
  EACCES: "Permission denied (os error 13)",
  ENOTDIR: "Not a directory (os error 20)",
  EISDIR: "Is a directory (os error 21)",
  ENOSPC: "No space left on device (os error 28)",
  ECONNREFUSED: "Connection refused (os error 111)",
};

/** An I/O error in Rust's words. */
export function osReason(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}
