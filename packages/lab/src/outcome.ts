/** What happened to a resumed guest. */
import type { ExecutedCode } from "@evenkeel/host";
import type { CanaryEnd, KernelEnd } from "./console.ts";
import { decodeInstruction } from "./instruction.ts";

interface Survived {
  readonly kind: "survived";
  readonly ticks: number;
}

/**
 * - `illegal-instruction`: in a program (the canary says so itself) or in the kernel
 * - `fault`: another fault of a program, such as a general protection fault
 * - `wrong-result`: an instruction computed something else than it does where it exists
 * - `stuck`: the same instruction faults again and again, so that the guest cannot even say so
 * - `load-refused`: the VMM did not take the snapshot
 * - `silent`: no tick within the time limit, and nothing that says why
 * - `ended`: the machine went away, or the kernel panicked for a reason of its own
 */
type DeathKind =
  | "illegal-instruction"
  | "fault"
  | "wrong-result"
  | "stuck"
  | "load-refused"
  | "silent"
  | "ended";

export interface Died {
  readonly kind: DeathKind;
  readonly ticks: number;
  /** Features whose absence killed it, by the tables' names; empty if unknown. */
  readonly features: readonly string[];
  readonly instruction: string | undefined;
  readonly address: string | undefined;
  readonly bytes: string | undefined;
  /** `program` or `kernel`; undefined if it did not run. */
  readonly in: "program" | "kernel" | undefined;
  readonly message: string;
}

export type Outcome = Survived | Died;

const SIGILL = 4;
const KERNEL_SPACE = 1n << 63n;

function hexOf(bytes: Buffer): string {
  return bytes.toString("hex").replaceAll(/(..)(?!$)/g, "$1 ");
}

export function diedOfReport(end: CanaryEnd, ticks: number): Died {
  const decoded = decodeInstruction(end.bytes, BigInt(`0x${end.address}`));
  const { report, feature } = end;
  const told = {
    ticks,
    features: [feature],
    instruction: decoded?.text ?? end.instruction,
    address: `0x${end.address.replace(/^0+/, "")}`,
    bytes: hexOf(decoded?.bytes ?? end.bytes),
    in: "program",
  } as const;
  if (report.kind === "wrong") {
    const message = `${feature}: ${report.got} instead of ${report.expected}`;
    return { kind: "wrong-result", ...told, message };
  }
  const kind = report.signal === SIGILL ? "illegal-instruction" : "fault";
  return { kind, ...told, message: `signal ${report.signal}` };
}

export function diedOfKernel(end: KernelEnd, ticks: number): Died {
  const decoded = decodeInstruction(end.bytes);
  const illegal = /invalid opcode|exitcode=0x00000004/.test(end.message);
  const [selector] = end.address?.split(":") ?? [];
  return {
    kind: illegal ? "illegal-instruction" : "ended",
    ticks,
    features: decoded?.features ?? [],
    instruction: decoded?.text,
    address: end.address,
    bytes: decoded === undefined ? undefined : hexOf(decoded.bytes),
    in: selector === "0033" ? "program" : "kernel",
    message: end.message,
  };
}

/** `missing`: features of the instruction that the node lacks. */
export function diedStuck(code: ExecutedCode, missing: readonly string[], ticks: number): Died {
  const decoded = decodeInstruction(code.bytes, code.rip);
  return {
    kind: "stuck",
    ticks,
    features: missing,
    instruction: decoded?.text,
    address: `0x${code.rip.toString(16)}`,
    bytes: decoded === undefined ? undefined : hexOf(decoded.bytes),
    in: code.rip >= KERNEL_SPACE ? "kernel" : "program",
    message: "faults repeatedly, before the kernel can report it",
  };
}

export function diedWithout(
  kind: "load-refused" | "silent" | "ended",
  message: string,
  ticks = 0,
): Died {
  const nothing = { instruction: undefined, address: undefined, bytes: undefined, in: undefined };
  return { kind, ticks, features: [], ...nothing, message };
}
