/**
 * Host kernels by line, such as `6.1`: which of two is newer, and what each does. All that compares
 * kernel releases is here; the facts are in kernel-rows.ts.
 */
import { fail } from "../errors.ts";
import { remembered } from "../remember.ts";
import { KERNELS, type Kernel, type KernelBehaviour, type Limits } from "./kernel-rows.ts";

/** Older kernels are not known here: Firecracker has been tested on 5.10 and later since 1.5. */
const [{ line: OLDEST }] = KERNELS;

/** What a dump that names no kernel is taken for: Firecracker's most deployed host kernel. */
export const DEFAULT_KERNEL = "6.1";

function linesWith(column: keyof Kernel): readonly string[] {
  return KERNELS.filter((kernel) => kernel[column] === true).map(({ line }) => line);
}

/** Firecracker is tested on these, oldest first. */
const TESTED = linesWith("tested");

/** The lines that the catalogue has its models under, oldest first. */
export const CATALOGUE_KERNELS = linesWith("catalogued");

/** The newest line up to which it is known what can be written into ARM's registers. */
export const WRITABLE_READ = linesWith("writableRead").at(-1) ?? OLDEST;

const lineOf = remembered((release) => /^(\d+\.\d+)/.exec(release)?.[1]);

/** `6.1` of `6.1.172-216.329.amzn2023.x86_64`; undefined where the release is not known. */
export function kernelLine(release: string | undefined): string | undefined {
  return release === undefined ? undefined : lineOf(release);
}

export function isOlder(a: string, b: string): boolean {
  const [aMajor = 0, aMinor = 0] = a.split(".").map(Number);
  const [bMajor = 0, bMinor = 0] = b.split(".").map(Number);
  return aMajor < bMajor || (aMajor === bMajor && aMinor < bMinor);
}

/** From `since` on, and up to the line before `until`. */
interface Span {
  readonly since?: string;
  readonly until?: string;
}

export function isWithin({ since, until }: Span, kernel: string): boolean {
  return (
    (since === undefined || !isOlder(kernel, since)) &&
    (until === undefined || isOlder(kernel, until))
  );
}

/** `6.1` of `6.1.172-216.329.amzn2023.x86_64`; throws UNKNOWN_KERNEL. */
export function kernelRelease(text: string): string {
  const line = /^(\d{1,3}\.\d{1,3})(?:[.+~_-].{0,100})?$/.exec(text)?.[1];
  if (line === undefined) return fail("UNKNOWN_KERNEL", `"${text}" is not a kernel release`);
  return known(line) && line;
}

function known(line: string): true {
  if (!isOlder(line, OLDEST)) return true;
  return fail("UNKNOWN_KERNEL", `nothing is known about KVM of Linux ${line} (from ${OLDEST} on)`);
}

/** The rows that hold for a line: its own and those before it. */
function rowsUpTo(kernel: string): readonly Kernel[] {
  return KERNELS.filter(({ line }) => !isOlder(kernel, line));
}

export function kernelDoes(kernel: string, behaviour: KernelBehaviour): boolean {
  return rowsUpTo(kernel).some(({ begins }) => begins?.includes(behaviour));
}

export function firstKernelThat(behaviour: KernelBehaviour): string {
  return KERNELS.find(({ begins }) => begins?.includes(behaviour))?.line ?? "none";
}

/** Throws UNKNOWN_KERNEL for a line before the first row. */
export function limitsOf(kernel: string): Limits {
  known(kernel);
  const limits = rowsUpTo(kernel).map((row) => row.limits ?? {});
  const last = (which: keyof Limits) => limits.flatMap((row) => row[which] ?? []).at(-1) ?? 0;
  return { basic: last("basic"), leaf7: last("leaf7"), extended: last("extended") };
}

/**
 * What is known of moving a snapshot between two host kernels: `same` line, a `step` up that
 * Firecracker tests, `untested`, or `unknown` where a release is not known.
 */
export type KernelMove = "same" | "step" | "untested" | "unknown";

export function kernelMove(promised: string | undefined, offered: string | undefined): KernelMove {
  const [from, to] = [kernelLine(promised), kernelLine(offered)];
  if (from !== undefined && from === to) return "same";
  if (from === undefined || to === undefined) return "unknown";
  const at = TESTED.indexOf(from);
  return at !== -1 && TESTED[at + 1] === to ? "step" : "untested";
}
