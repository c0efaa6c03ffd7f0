/** Runs the built command as a user does, in a directory of its own. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { profileOf, readText, type NodeProfile } from "@evenkeel/core";
import { afterAll, onTestFinished, vi } from "vitest";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BIN = join(ROOT, "packages/cli/bin/evenkeel.js");

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function evenkeel(args: readonly string[], input: string | Buffer = ""): Outcome {
  const options = { cwd: ROOT, input, encoding: "utf8", maxBuffer: 1 << 28 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], options);
  return { status, stdout, stderr };
}

function exitStatus(): number {
  return Number(process.exitCode ?? 0);
}

/**
 * Runs the command in this process, from its source: much quicker than {@link evenkeel}, for all
 * that is not about the process itself or its standard input. One after the other, never at once.
 */
export async function run(args: readonly string[]): Promise<Outcome> {
  const written = { stdout: "", stderr: "" };
  const listen = (stream: "stdout" | "stderr") =>
    vi.spyOn(process[stream], "write").mockImplementation((chunk) => {
      written[stream] += String(chunk);
      return true;
    });
  const before = { argv: process.argv, directory: process.cwd(), exitCode: process.exitCode };
  const listeners = [listen("stdout"), listen("stderr")];
  try {
    process.chdir(ROOT);
    process.argv = [process.execPath, BIN, ...args];
    process.exitCode = undefined;
    const { main } = await import("../src/main.ts");
    await main();
    return { status: exitStatus(), ...written };
  } finally {
    for (const listener of listeners) listener.mockRestore();
    process.argv = before.argv;
    process.exitCode = before.exitCode;
    process.chdir(before.directory);
  }
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

/** A directory for all tests of a file. */
export function sharedDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-test-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A profile's file as an example or a command wrote it. */
export function loadProfile(file: string): NodeProfile {
  const text = readFileSync(join(ROOT, file), "utf8");
  return profileOf(readText(text, { name: basename(file, ".json") }));
}

export const CLX = "examples/bug-report-pool/xeon-silver-4216.json";
export const ICX = "examples/bug-report-pool/xeon-silver-4314.json";
