/** Runs the built command as a user does, in a directory of its own. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BIN = join(ROOT, "packages/cli/bin/evenkeel.js");

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function evenkeel(args: readonly string[], input: string | Buffer = ""): Outcome {
  const env = { ...process.env, NO_COLOR: "1" };
  const options = { cwd: ROOT, env, input, encoding: "utf8", maxBuffer: 1 << 28 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], options);
  return { status, stdout, stderr };
}

/** Root reads what it likes; without these capabilities it is held to a file's permissions. */
const WITHOUT_OVERRIDE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];

/** As {@link evenkeel}, by a user who must have permission to read a file. */
export function evenkeelUnprivileged(args: readonly string[]): Outcome {
  const prefix = process.getuid?.() === 0 ? WITHOUT_OVERRIDE : [];
  const [command = "", ...rest] = [...prefix, process.execPath, BIN, ...args];
  const { status, stdout, stderr } = spawnSync(command, rest, { cwd: ROOT, encoding: "utf8" });
  return { status, stdout, stderr };
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const CLX = "examples/bug-report-pool/xeon-silver-4216.json";
export const ICX = "examples/bug-report-pool/xeon-silver-4314.json";
