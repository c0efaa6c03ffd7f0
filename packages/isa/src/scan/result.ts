/** What a scan says about a file: facts in names, without a pool. */
import type { DeclaredLevels } from "../elf/notes.ts";
import type { Grade } from "../code/function-code.ts";

/**
 * When the instructions of a feature run:
 * - `always`: on a path that every start of the file takes
 * - `unasked`: nothing in the file asks the CPU, so whoever calls the function runs them
 * - `unguarded`: the file asks, but its start leads here whatever the answer
 * - `unclear`: the file asks, but calls from what it exports lead here on which nothing asked
 * - `unreached`: nothing that was read leads here
 * - `chosen`: only after the file asked the CPU, as far as its calls show
 */
export const USES = ["always", "unasked", "unguarded", "unclear", "unreached", "chosen"] as const;
export type Use = (typeof USES)[number];

export interface Example {
  /** A symbol, or `fn` with the address. */
  readonly name: string;
  /** `0x…`; in a relocatable file, an address that the scan gave. */
  readonly address: string;
  /** For `unguarded` and `unclear`: the calls from an entrance of the file to here. */
  readonly path?: readonly string[];
}

export interface FeatureUse {
  /** A name of the CPUID tables. */
  readonly feature: string;
  readonly use: Use;
  /** How sure it is that such an instruction is there: the best grade of all. */
  readonly sure: Grade;
  /** Instructions by grade. */
  readonly instructions: Readonly<Record<Grade, number>>;
  readonly functions: number;
  /** Up to three: those that are sure and worst used first. */
  readonly examples: readonly Example[];
}

export interface Question {
  /**
   * - `cpuid`: the file executes CPUID
   * - `ifunc`: functions that choose when the file is loaded
   * - `known`: a dispatcher that is known by name
   * - `ld.so`: the loader took this file for what the CPU has (glibc-hwcaps)
   */
  readonly kind: "cpuid" | "ifunc" | "known" | "ld.so";
  readonly what: string;
}

interface FileProblem {
  readonly where: string;
  readonly message: string;
}

export interface FileScan {
  /** As the user can find it: `rootfs.tar!/usr/lib/libx.so`. */
  readonly name: string;
  readonly kind: "executable" | "library" | "object" | "kernel module";
  readonly declares: DeclaredLevels;
  /** Empty where nothing in the file asks the CPU. */
  readonly asks: readonly Question[];
  /** Features that it was built with as a whole: most functions that could use them do. */
  readonly throughout: readonly string[];
  /** Its `main` asks the CPU and gives up where the answer is no. */
  readonly refuses: boolean;
  /** It writes machine code at run time, for what it finds then. */
  readonly jit: readonly string[];
  /** Sorted by name; doubtful ones included. */
  readonly features: readonly FeatureUse[];
  readonly code: {
    readonly bytes: number;
    /** Neither read nor padding: data, or code that nothing leads to. */
    readonly unread: number;
    readonly functions: number;
    readonly instructions: number;
    /** Instructions on sure paths that the decoder does not know; with the first one's address. */
    readonly unknown: number;
    readonly unknownAt?: string;
  };
  readonly problems: readonly FileProblem[];
}

/** A file that was met and not scanned, and why. */
export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

export type ScanResult =
  | { readonly status: "scanned"; readonly scan: FileScan }
  /** Nothing that a pool could break: a program for another machine. */
  | { readonly status: "skipped"; readonly skipped: Skipped }
  /** Could not be read: what is in it is not known. */
  | { readonly status: "unread"; readonly unread: Skipped }
  /** Not machine code: nothing to report. */
  | { readonly status: "ignored" };
