/** Scans something in a directory of its own, and holds the scanner to leaving nothing behind. */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { scanAll, type ScanAllOptions } from "../src/scan/scan-all.ts";
import { AVX512_CODE, makeElf, PLAIN_CODE } from "./make-elf.ts";

export const NEEDY = makeElf(AVX512_CODE).bytes;
export const PLAIN = makeElf(PLAIN_CODE).bytes;

/** Names relative to the directory, and what each can use; `temporary` stays empty. */
export async function scanIn(directory: string, path: string, options: ScanAllOptions = {}) {
  const temporary = join(directory, "temporary");
  mkdirSync(temporary, { recursive: true });
  const scans = await scanAll([join(directory, path)], { threads: 0, temporary, ...options });
  expect(readdirSync(temporary)).toEqual([]);
  const short = (name: string) => name.slice(directory.length + 1);
  return {
    files: Object.fromEntries(
      scans.files.map(({ name, features }) => [short(name), features.map((f) => f.feature).join()]),
    ),
    skipped: scans.skipped.map(({ name, reason }) => `${short(name)}: ${reason}`),
    unread: scans.unread.map(({ name, reason }) => `${short(name)}: ${reason}`),
  };
}
