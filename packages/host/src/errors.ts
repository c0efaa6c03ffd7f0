/**
 * Every error of this package: code, exit code and hint in one place.
 * docs/errors.md lists the same codes; a test keeps the two equal.
 */
import { API_BODY_LIMIT, defineErrors, SOCKET_PATH_LIMIT, type ErrorKind } from "@evenkeel/core";

export const HOST_ERRORS = {
  NO_KVM: {
    exitCode: 3,
    hint: "Run on Linux with KVM: `modprobe kvm_intel` or `kvm_amd`, with virtualization enabled in the firmware. `evenkeel probe --raw` makes an estimate without KVM.",
  },
  KVM_FORBIDDEN: {
    exitCode: 3,
    hint: "Join the device's group (`usermod -aG kvm USER`, then log in again), or run as root. `evenkeel probe --raw` makes an estimate without KVM.",
  },
  KVM_FAILED: {
    exitCode: 3,
    hint: "Another hypervisor may be using the CPU's virtualization, or a limit was reached: see the kernel log.",
  },
  NO_CPU_DUMP: {
    exitCode: 3,
    hint: "Install the `cpuid` tool, or dump the CPU in another way: docs/formats.md lists the supported formats.",
  },
  NO_FFI: {
    exitCode: 3,
    hint: "Reinstall on this machine: koffi installs a native library per platform.",
  },
  BAD_SNAPSHOT: {
    exitCode: 2,
    hint: "Give the state file of a snapshot taken under QEMU, with its memory file beside it.",
  },
  BAD_KERNEL: {
    exitCode: 2,
    hint: "Give an x86-64 Linux kernel: a bzImage such as /boot/vmlinuz-*, or an ELF vmlinux.",
  },
  NO_KERNEL: {
    exitCode: 3,
    hint: "Give a kernel with --kernel PATH; on Debian, run `apt-get update` so that one can be downloaded.",
  },
  NO_QEMU: { exitCode: 3, hint: "Install QEMU: apt-get install qemu-system-x86" },
  NO_CPU_MODEL: {
    exitCode: 3,
    hint: "`qemu-system-x86_64 -cpu help` lists the models; switches follow: Haswell,-avx2.",
  },
  NOT_WITH_QEMU: { exitCode: 2, hint: "Use Firecracker on KVM for this." },
  VMM_NOT_FOUND: {
    exitCode: 3,
    hint: "Binaries are looked for at $FIRECRACKER_VERSIONS_DIR/<version>/[<arch>/]firecracker.",
  },
  KERNEL_NOT_FOUND: {
    exitCode: 3,
    hint: "Guest kernels are looked for at $HOST_KERNELS_DIR/<version>/[<arch>/]vmlinux.bin.",
  },
  VMM_START_FAILED: {
    exitCode: 3,
    hint: "The message ends with the VMM's own output; /dev/kvm must be readable and writable.",
  },
  VMM_REFUSED: {
    exitCode: 1,
    hint: "The VMM's own message says why; docs/firecracker.md may help.",
  },
  VMM_GONE: {
    exitCode: 3,
    hint: "The VMM has exited; its last output is in the microVM's directory.",
  },
  VMM_TIMEOUT: {
    exitCode: 3,
    hint: "The VMM did not answer in time; the host may be overloaded.",
  },
  VMM_BODY_TOO_LARGE: {
    exitCode: 2,
    hint: `Firecracker takes ${API_BODY_LIMIT.toLocaleString("en-US")} bytes; remove registers that change nothing from the template.`,
  },
  SOCKET_PATH_TOO_LONG: {
    exitCode: 2,
    hint: `A Unix socket's path has at most ${SOCKET_PATH_LIMIT} bytes; use a shorter directory.`,
  },
  UNREADABLE_FILE: { exitCode: 2, hint: "Give a file that this user can read." },
  TEMPLATE_CONFLICT: {
    exitCode: 2,
    hint: "Set one of FC_CPU_TEMPLATE, FC_CUSTOM_CPU_TEMPLATE_PATH and EVENKEEL_PLAN.",
  },
  TEMPLATE_UNKNOWN: {
    exitCode: 2,
    hint: "Custom templates go into FC_CUSTOM_CPU_TEMPLATE_PATH, plans into EVENKEEL_PLAN.",
  },
  TEMPLATE_MISSING: {
    exitCode: 2,
    hint: "Give a built-in template's name, a template's file, a plan.json or its directory; `evenkeel plan --out DIR` writes plans.",
  },
  NODE_NOT_IN_PLAN: {
    exitCode: 1,
    hint: "Probe the node and plan the pool again with its profile.",
  },
  TEMPLATE_FATAL: {
    exitCode: 1,
    hint: "`evenkeel lint` names a fix for each finding; a plan's templates have no errors.",
  },
  TEMPLATE_INSECURE: {
    exitCode: 1,
    hint: "Use a plan's template, or accept the risk with EVENKEEL_ALLOW_INSECURE=1.",
  },
  WRONG_FIRECRACKER: {
    exitCode: 3,
    hint: "Put each release in the directory named after it; `evenkeel probe` asks each binary for its version.",
  },
  NOT_FIRECRACKER: { exitCode: 2, hint: "Give the path of a Firecracker binary." },
  LAUNCHER_TOO_OLD: {
    exitCode: 2,
    hint: "Firecracker keeps a CPU template only from 1.5 on; use a newer release.",
  },
  LAUNCHER_OCCUPIED: {
    exitCode: 2,
    hint: "Give --at the path that the orchestrator starts; docs/launcher.md has the steps.",
  },
  LAUNCHER_SHARED: {
    exitCode: 2,
    hint: "Install it in a local directory, and have the orchestrator look there: docs/e2b.md shows how.",
  },
  LAUNCHER_NO_PERL: {
    exitCode: 3,
    hint: "Install perl (Debian and Ubuntu always have it); the launcher is a Perl script without modules.",
  },
  LAUNCHER_FAILED: {
    exitCode: 3,
    hint: "Nothing was changed. The message is what the launcher printed when it was tried.",
  },
  LAUNCHER_WRITE_FAILED: {
    exitCode: 3,
    hint: "No partial file was left behind; check permissions and free space.",
  },
  HOST_PROC_OCCUPIED: {
    exitCode: 2,
    hint: "Give --at a path that does not exist yet, or one that `evenkeel host-proc` made.",
  },
  HOST_PROC_FAILED: {
    exitCode: 3,
    hint: "Check permissions and free space; the previous content is unchanged.",
  },
  E2B_UNREADABLE: {
    exitCode: 3,
    hint: "Run it as root, or as the user that the orchestrator runs as.",
  },
  LAUNCHERS_DIFFER: {
    exitCode: 1,
    hint: "Install the launcher with this plan for each Firecracker first: guests must have the CPU that the node reports.",
  },
  NO_ISOLATION: {
    exitCode: 3,
    hint: "docs/isolation.md lists what isolation needs; `isolation: none` runs without it, at your own risk.",
  },
  JAIL_FAILED: {
    exitCode: 3,
    hint: "The message comes from the jailer or the system; docs/isolation.md lists what a jail needs.",
  },
  NO_NETWORK: {
    exitCode: 3,
    hint: "docs/network.md lists what guest networks need; without `network` none is created.",
  },
  NETWORK_FAILED: {
    exitCode: 3,
    hint: "The message comes from ip or nft; docs/network.md lists what guest networks need.",
  },
  NO_SLOT: { exitCode: 3, hint: "Give a larger network pool, or kill sandboxes." },
  BAD_EGRESS: {
    exitCode: 2,
    hint: "docs/network.md describes egress rules; only the operator can open special networks.",
  },
  NOT_A_LAUNCHER: { exitCode: 2, hint: "Give the path that the launcher was installed at." },
} as const satisfies Record<string, ErrorKind>;

export type HostErrorCode = keyof typeof HOST_ERRORS;

export class HostError extends defineErrors("HostError", HOST_ERRORS) {}
