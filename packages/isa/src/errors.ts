/**
 * Every error of this package: code, exit code and hint in one place.
 * docs/errors.md lists the same codes; a test keeps the two equal.
 */
import { defineErrors, type ErrorKind } from "@evenkeel/core";

export const ISA_ERRORS = {
  BAD_BYTES: {
    exitCode: 2,
    hint: "Give the instruction's bytes in hexadecimal: --bytes '62 f2 7d 48 75 c1'.",
  },
  BAD_CORE: {
    exitCode: 2,
    hint: "Copy the complete core file again; coredumpctl dump PID --output FILE unpacks one.",
  },
  BAD_ELF: {
    exitCode: 2,
    hint: "The file is damaged or truncated; `readelf -a` shows how much of it is readable.",
  },
  NOT_ELF: {
    exitCode: 2,
    hint: "Give an ELF executable, shared object, object file or core.",
  },
  COMPRESSED: {
    exitCode: 2,
    hint: "Unpack it first (zstd -d, gunzip, unxz); coredumpctl dump PID --output FILE does so.",
  },
  NO_CRASH: {
    exitCode: 2,
    hint: "Give a log that has the kernel's `trap invalid opcode` line, a core file, or --bytes.",
  },
  WRONG_BINARY: {
    exitCode: 2,
    hint: "Give the exact file that ran; readelf -n FILE shows its build id.",
  },
} as const satisfies Record<string, ErrorKind>;

export type IsaErrorCode = keyof typeof ISA_ERRORS;

/** Bad input, with the place in it: an offset in a file, a line of a log. */
export class IsaError extends defineErrors("IsaError", ISA_ERRORS) {}
