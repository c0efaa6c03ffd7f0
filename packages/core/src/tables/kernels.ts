/** Host kernels by release: which of two is newer, and the highest leaves that each one knows. */
import { fail } from "../errors.ts";

/** Older kernels are not known here: Firecracker has been tested on 5.10 and later since 1.5. */
const OLDEST = "5.10";

/** What a dump that names no kernel is taken for: Firecracker's most deployed host kernel. */
export const DEFAULT_KERNEL = "6.1";

/** Whether release `a` is `b` or newer. */
export function atLeast(a: string, b: string): boolean {
  const [aMajor = 0, aMinor = 0] = a.split(".").map(Number);
  const [bMajor = 0, bMinor = 0] = b.split(".").map(Number);
  return aMajor > bMajor || (aMajor === bMajor && aMinor >= bMinor);
}

/** `6.1` of `6.1.172-216.329.amzn2023.x86_64`; throws UNKNOWN_KERNEL. */
export function kernelRelease(text: string): string {
  const line = /^(\d{1,3}\.\d{1,3})(?:[.+~_-].{0,100})?$/.exec(text)?.[1];
  if (line === undefined) return fail("UNKNOWN_KERNEL", `"${text}" is no kernel release`);
  if (atLeast(line, OLDEST)) return line;
  return fail("UNKNOWN_KERNEL", `nothing is known about KVM of Linux ${line} (from ${OLDEST} on)`);
}

interface Limits {
  readonly since: string;
  readonly basic: number;
  readonly leaf7: number;
  readonly extended: number;
}

/**
 * Highest leaves that KVM knows, newest first. Source: the `min` in `__do_cpuid_func` of Linux
 * arch/x86/kvm/cpuid.c, stable lines with their current fixes: leaf 7 subleaf 2 came to 6.1.y
 * with those for BHI, leaf 0x80000021 to 5.10.y with those for TSA.
 */
const LIMITS: readonly Limits[] = [
  { since: "6.13", basic: 0x24, leaf7: 2, extended: 0x8000_0022 },
  { since: "6.5", basic: 0x1f, leaf7: 2, extended: 0x8000_0022 },
  { since: "6.1", basic: 0x1f, leaf7: 2, extended: 0x8000_0021 },
  { since: OLDEST, basic: 0x1f, leaf7: 1, extended: 0x8000_0021 },
];

export function limitsOf(kernel: string): Limits {
  const found = LIMITS.find(({ since }) => atLeast(kernel, since));
  return found ?? fail("UNKNOWN_KERNEL", `nothing is known about KVM of Linux ${kernel}`);
}

/** `6.1` of `6.1.172-216.329.amzn2023.x86_64`; undefined where the release is not known. */
export function kernelLine(release: string | undefined): string | undefined {
  return release === undefined ? undefined : /^(\d+\.\d+)/.exec(release)?.[1];
}

/**
 * Host kernels that Firecracker is tested on, in order; snapshots move one step up.
 * Source: docs/kernel-policy.md and docs/snapshotting/snapshot-support.md.
 */
const KERNEL_STEPS: readonly string[] = ["5.10", "6.1", "6.18"];

/**
 * What is known of moving a snapshot between two host kernels: `same` line, a `step` up that
 * Firecracker tests, `untested`, or `unknown` where a release is not known.
 */
export type KernelMove = "same" | "step" | "untested" | "unknown";

export function kernelMove(promised: string | undefined, offered: string | undefined): KernelMove {
  const [from, to] = [kernelLine(promised), kernelLine(offered)];
  if (from !== undefined && from === to) return "same";
  if (from === undefined || to === undefined) return "unknown";
  const step = KERNEL_STEPS.indexOf(to) - KERNEL_STEPS.indexOf(from);
  return KERNEL_STEPS.includes(from) && step === 1 ? "step" : "untested";
}
