/**
 * Host kernels as rows, oldest first: what changes from a line on, as far as plans, verdicts and
 * estimates depend on it. Which features KVM passes on is in the rows of kvm/, which fields of ARM's
 * registers it lets be written in arm/writable.ts; both name lines.
 *
 * A new line is one row; it does all that the lines before it do.
 */

/** What a host kernel does from some line on. */
export const KERNEL_BEHAVIOURS = {
  "lists-tsc-ratio": "AMD: KVM lists MSR C0000104H",
  "makes-up-caches": "aarch64: KVM shows synthetic caches, and lets VMMs change them",
  "shows-mappable-width": "KVM reports how many physical address bits can be mapped",
  "takes-identity": "aarch64: MIDR_EL1, REVIDR_EL1 and AIDR_EL1 can be written, if the VMM asks",
  "lists-branch-msrs": "KVM lists DEBUGCTL and the last-branch and interrupt MSRs",
} as const satisfies Record<string, string>;

export type KernelBehaviour = keyof typeof KERNEL_BEHAVIOURS;

/** The highest leaves that KVM knows. */
export interface Limits {
  readonly basic: number;
  readonly leaf7: number;
  readonly extended: number;
}

export interface Kernel {
  readonly line: string;
  /** Firecracker is tested on it: snapshots move from one such line to the next. */
  readonly tested?: true;
  /** The catalogue has its models under it. */
  readonly catalogued?: true;
  /** What can be written into ARM's registers was read up to this line. */
  readonly writableRead?: true;
  readonly limits?: Partial<Limits>;
  readonly begins?: readonly KernelBehaviour[];
}

/**
 * Sources. Tested: Firecracker's docs/kernel-policy.md and docs/snapshotting/snapshot-support.md.
 * Limits: the `min` in `__do_cpuid_func` of Linux arch/x86/kvm/cpuid.c, stable lines with their
 * current fixes: leaf 7 subleaf 2 came to 6.1.y with those for BHI, leaf 0x80000021 to 5.10.y with
 * those for TSA. `lists-branch-msrs`: published fingerprints; which line before 6.18 began is not
 * known.
 */
export const KERNELS: readonly [Kernel, ...Kernel[]] = [
  {
    line: "5.10",
    tested: true,
    catalogued: true,
    limits: { basic: 0x1f, leaf7: 1, extended: 0x8000_0021 },
  },
  {
    line: "6.1",
    tested: true,
    catalogued: true,
    limits: { leaf7: 2 },
    begins: ["lists-tsc-ratio"],
  },
  { line: "6.3", begins: ["makes-up-caches"] },
  { line: "6.5", limits: { extended: 0x8000_0022 } },
  { line: "6.8", catalogued: true },
  { line: "6.10", begins: ["shows-mappable-width"] },
  { line: "6.13", limits: { basic: 0x24 } },
  { line: "6.15", begins: ["takes-identity"] },
  {
    line: "6.18",
    tested: true,
    catalogued: true,
    writableRead: true,
    begins: ["lists-branch-msrs"],
  },
];
