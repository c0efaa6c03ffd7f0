/** Programs that some tests need: where one is missing they are skipped, with the reason printed. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

/** Whether a program is there; under CI it must be, unless CI does not install it. */
export function hasTool(name: string, required = true): boolean {
  const found = PATH.split(":").some((directory) => existsSync(join(directory, name)));
  if (found) return true;
  if (required && process.env["CI"] === "true") throw new Error(`${name} must be installed`);
  process.stderr.write(`skipping tests that need ${name}: it is not installed\n`);
  return false;
}

export function run(command: string, args: readonly string[], input?: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    env: { ...process.env, PATH, LC_ALL: "C" },
    encoding: "latin1",
    maxBuffer: 1 << 30,
    ...(input === undefined ? {} : { input }),
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs a program in a directory. */
export function runIn(directory: string, command: string, args: readonly string[]): void {
  const env = { ...process.env, PATH, LC_ALL: "C" };
  const { status, stderr, error } = spawnSync(command, args, { cwd: directory, env });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command}: ${stderr.toString()}`);
}
