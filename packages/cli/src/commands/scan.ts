/** `evenkeel scan`: which features does this binary or image need, and what does that mean? */
import { existsSync } from "node:fs";
import { prettyJson } from "@evenkeel/core";
import { judgeFiles, scanAll, type FileJudgement, type Scans } from "@evenkeel/isa";
import { CliError } from "../errors.ts";
import { poolOf, type PoolFlags } from "../input/members.ts";
import { progressLine } from "../output/progress.ts";
import { scanReport } from "../render/scan.ts";

export interface ScanFlags extends PoolFlags {
  readonly allowUnread?: boolean;
  readonly details?: boolean;
  readonly json?: boolean;
}

const HARMLESS: ReadonlySet<FileJudgement["outcome"]> = new Set(["fine", "loses speed"]);

/** What was not read is unknown, and unknown is not fine. */
function exitCode(
  { files, unread }: Scans,
  judgements: readonly FileJudgement[] | undefined,
  allowUnread: boolean,
): number {
  if (judgements?.some(({ outcome }) => !HARMLESS.has(outcome)) === true) return 1;
  if (unread.length === 0 || allowUnread) return 0;
  return judgements === undefined || files.length === 0 ? 2 : 1;
}

export async function runScan(paths: readonly string[], flags: ScanFlags): Promise<number> {
  const missing = paths.find((path) => !existsSync(path));
  if (missing !== undefined) throw new CliError("UNREADABLE", `${missing}: no such file`);
  const pool = poolOf(flags);
  const progress = progressLine();
  const scans = await scanAll(paths, { onProgress: progress.show }).finally(progress.clear);
  const judgements = pool === undefined ? undefined : judgeFiles(scans.files, pool);
  const members = pool?.members.map(({ name }) => name);
  const text =
    flags.json === true
      ? prettyJson({ ...scans, ...(judgements === undefined ? {} : { members, judgements }) })
      : scanReport(scans, pool, judgements, flags.details === true);
  process.stdout.write(text);
  return exitCode(scans, judgements, flags.allowUnread === true);
}
