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
  NO_KVM: {
    exitCode: 3,
    hint: "Run on Linux with KVM: `modprobe kvm_intel` or `kvm_amd`, with virtualization on in the firmware. `evenkeel probe --raw` estimates without.",
  },
  KVM_FORBIDDEN: {
    exitCode: 3,
    hint: "Join the device's group (`usermod -aG kvm USER`, then log in again), or run as root. `evenkeel probe --raw` estimates without.",
  },
  KVM_FAILED: {
    exitCode: 3,
    hint: "Something else may hold the CPU's virtualization, or a limit was reached: see the kernel's log.",
  },
  NO_CPU_DUMP: {
    exitCode: 3,
    hint: "Install the `cpuid` tool, or dump the CPU in another way: docs/formats.md lists what is read.",
  },
  NO_FFI: {
    exitCode: 3,
    hint: "Install again on this machine with `npm ci`: koffi brings a library for each platform.",
  },
  BAD_KERNEL: {
    exitCode: 2,
    hint: "Give an x86-64 Linux kernel: a bzImage such as /boot/vmlinuz-*, or an ELF vmlinux.",
  },
  NO_KERNEL: {
    exitCode: 3,
    hint: "Give a kernel with --kernel PATH; on Debian, `apt-get update` lets one be downloaded.",
  },
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
