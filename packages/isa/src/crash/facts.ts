/** What a story is told from, and what it is made of. */
import { listOf } from "@evenkeel/core";
import type { CodeUse } from "./code-use.ts";
import type { CrashContext } from "./context.ts";
import type { Evidence } from "./evidence.ts";
import type { Decoded, DecodedInstruction } from "./instruction.ts";
import type { CrashSite } from "./site.ts";

/** Every field is a list of sentences; empty where there is nothing to say. */
export interface Story {
  readonly happened: readonly string[];
  /** What to do now, before anything else. */
  readonly now: readonly string[];
  readonly forGood: readonly string[];
  /** What to give so that more can be said. */
  readonly missing: readonly string[];
}

export interface Facts {
  readonly site: CrashSite;
  readonly bytes: Buffer | undefined;
  readonly decoded: Decoded | undefined;
  readonly evidence: Evidence | undefined;
  readonly context: CrashContext;
  /** What a scan of the binary says about these features; undefined without the binary. */
  readonly use: CodeUse | undefined;
  /** Build id of the binary that was given and cannot be the one that ran. */
  readonly otherBuild?: { readonly buildId: string | undefined } | undefined;
}

export function story(parts: Partial<Story>): Story {
  return { happened: [], now: [], forGood: [], missing: [], ...parts };
}

export function instructionOf({ decoded }: Facts): DecodedInstruction | undefined {
  return typeof decoded === "object" ? decoded : undefined;
}

const LIST_ALL = 6;

export function few(names: readonly string[]): string {
  if (names.length <= LIST_ALL) return listOf(names);
  return `${names.slice(0, LIST_ALL - 1).join(", ")} and ${names.length - LIST_ALL + 1} more`;
}
