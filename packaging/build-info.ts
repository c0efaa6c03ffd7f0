/** What a build says about itself; the same for the same commit. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./own-files.ts";

interface RootPackage {
  readonly version: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
}

export function rootPackage(): RootPackage {
  return JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as RootPackage;
}

function git(...args: readonly string[]): string | undefined {
  try {
    return execFileSync("git", args, {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return undefined;
  }
}

export interface BuildInfo {
  readonly version: string;
  /** The commit's first twelve digits, `+changes` where the tree differs from it. */
  readonly commit: string;
  /** Seconds since 1970: the commit's time, or SOURCE_DATE_EPOCH. */
  readonly epoch: number;
}

export function buildInfo(): BuildInfo {
  const { version } = rootPackage();
  const commit = git("rev-parse", "--short=12", "HEAD") ?? "unknown";
  const changed = git("status", "--porcelain", "--untracked-files=no") ?? "";
  const epoch = process.env["SOURCE_DATE_EPOCH"] ?? git("log", "-1", "--format=%ct") ?? "0";
  return { version, commit: changed === "" ? commit : `${commit}+changes`, epoch: Number(epoch) };
}
