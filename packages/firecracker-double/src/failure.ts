/** How Firecracker's process fails: told to people in its log, to programmers on standard error. */
import { osReason } from "./fault.ts";

export class Failure extends Error {
  /** As Rust's `Debug` shows it. */
  readonly debug: string;
  readonly code: number;

  constructor(message: string, debug: string, code = 1) {
    super(message);
    this.name = "Failure";
    this.debug = debug;
    this.code = code;
  }
}

const KINDS: Readonly<Record<string, string>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  ENOTDIR: "NotADirectory",
  EISDIR: "IsADirectory",
  ENOSPC: "StorageFull",
};

/** An I/O error as Rust's `Debug` shows it. */
export function osDebug(error: unknown): string {
  const { code = "" } = error as NodeJS.ErrnoException;
  const [, message = "", number = ""] = /^(.*) \(os error (\d+)\)$/.exec(osReason(error)) ?? [];
  return `Os { code: ${number}, kind: ${KINDS[code] ?? "Other"}, message: "${message}" }`;
}
