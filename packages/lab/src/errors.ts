/**
 * Every error of this package: code, exit code and hint in one place.
 * docs/errors.md lists the same codes; a test keeps the two equal.
 */
import { defineErrors, type ErrorKind } from "@evenkeel/core";

export const LAB_ERRORS = {
  AGENT_FAILED: { exitCode: 3, hint: "The message is the agent's own." },
  AGENT_REFUSED: {
    exitCode: 1,
    hint: "The message is the agent's own; a template must fit every node, as in production.",
  },
  BAD_IMAGE: {
    exitCode: 2,
    hint: "Give an initramfs (cpio newc, plain or gzip) or a static x86-64 program.",
  },
  FEW_NODES: { exitCode: 2, hint: "Name at least two: --nodes Broadwell-noTSX,Haswell-noTSX" },
  GUEST_FAILED: {
    exitCode: 1,
    hint: "The guest's last output is above; a program that does not check CPUID needs every feature it uses.",
  },
  INTERRUPTED: { exitCode: 1, hint: "No process or file was left behind; start the lab again." },
  VERDICTS_DIFFER: {
    exitCode: 3,
    hint: "This is a bug in evenkeel; please report it with the command that you gave.",
  },
} as const satisfies Record<string, ErrorKind>;

export type LabErrorCode = keyof typeof LAB_ERRORS;

export class LabError extends defineErrors("LabError", LAB_ERRORS) {}
