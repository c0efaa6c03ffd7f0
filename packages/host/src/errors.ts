/**
 * Every error of this package: code, exit code and hint in one place.
 * docs/errors.md lists the same codes; a test keeps the two equal.
 */
interface ErrorKind {
  /** 1: the answer is no; 2: bad input; 3: the environment failed. */
  readonly exitCode: 1 | 2 | 3;
  readonly hint: string;
}

export const HOST_ERRORS = {
  BAD_SNAPSHOT: {
    exitCode: 2,
    hint: "Give the state file that a snapshot under QEMU wrote, with its memory file beside it.",
  },
  BAD_KERNEL: {
    exitCode: 2,
    hint: "Give an x86-64 Linux kernel: a bzImage such as /boot/vmlinuz-*, or an ELF vmlinux.",
  },
  NO_KERNEL: {
    exitCode: 3,
    hint: "Give a kernel with --kernel PATH; on Debian, `apt-get update` lets one be downloaded.",
  },
  NO_QEMU: { exitCode: 3, hint: "Install it: apt-get install qemu-system-x86" },
  NO_CPU_MODEL: {
    exitCode: 3,
    hint: "`qemu-system-x86_64 -cpu help` lists the models; switches follow: Haswell,-avx2.",
  },
  NOT_WITH_QEMU: { exitCode: 2, hint: "Use Firecracker on KVM for this." },
  VMM_FAILED: { exitCode: 3, hint: "The microVM's directory has the VMM's own log." },
} as const satisfies Record<string, ErrorKind>;

export type HostErrorCode = keyof typeof HOST_ERRORS;

export class HostError extends Error {
  readonly code: HostErrorCode;

  constructor(code: HostErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "HostError";
    this.code = code;
  }

  get exitCode(): 1 | 2 | 3 {
    return HOST_ERRORS[this.code].exitCode;
  }

  get hint(): string {
    return HOST_ERRORS[this.code].hint;
  }
}
