/** What a scan of the binary says about the features that its crash needed: does anybody ask? */
import type { ElfFile } from "../elf/file.ts";
import type { FileScan, Question, Use } from "../scan/result.ts";
import { scanElf } from "../scan/scan-elf.ts";
import type { Binary } from "./binary.ts";

export interface CodeUse {
  /** The file's name. */
  readonly file: string;
  readonly kind: FileScan["kind"];
  /** The worst use that the file makes of any of the features. */
  readonly use: Use;
  /** The features with that use. */
  readonly features: readonly string[];
  readonly asks: readonly Question[];
}

/** A scan of a large program takes seconds: each file is scanned once. */
const known = new WeakMap<ElfFile, FileScan | "unread">();

function scanOf({ name, elf }: Binary): FileScan | undefined {
  let scan = known.get(elf);
  if (scan === undefined) {
    const result = scanElf(name, elf.source);
    scan = result.status === "scanned" ? result.scan : "unread";
    known.set(elf, scan);
  }
  return scan === "unread" ? undefined : scan;
}

const WORST_FIRST: readonly Use[] = ["always", "unasked", "unclear", "chosen"];

/** Undefined where the scan does not see such instructions. */
export function useIn(binary: Binary, features: readonly string[]): CodeUse | undefined {
  const scan = scanOf(binary);
  const found = scan?.features.filter(({ feature }) => features.includes(feature)) ?? [];
  const use = WORST_FIRST.find((worst) => found.some((f) => f.use === worst));
  if (scan === undefined || use === undefined) return undefined;
  const { name, kind, asks } = scan;
  const named = found.filter((f) => f.use === use).map(({ feature }) => feature);
  return { file: name, kind, use, features: named, asks };
}

/** Whether it dies wherever the feature is missing, snapshot or not. */
export function diesAnywhere(use: CodeUse | undefined): boolean {
  return use?.use === "always" || use?.use === "unasked";
}
