/** The command line: runs what is asked for, and reports what went wrong. */
import { CommanderError } from "commander";
import { programOf } from "./program.ts";

async function reportError(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { describeError } = await import("./errors.ts");
  const { exitCode, ...reported } = describeError(error);
  if (process.argv.includes("--json")) {
    process.stdout.write(`${JSON.stringify({ error: reported }, undefined, 2)}\n`);
  }
  process.stderr.write(`evenkeel: ${reported.message}\nhint: ${reported.hint}\n`);
  return exitCode;
}

/** A reader that has seen enough (`evenkeel show FILE | head`) is not an error. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

export async function main(): Promise<void> {
  try {
    await programOf((code) => {
      process.exitCode = code;
    }).parseAsync();
  } catch (error) {
    process.exitCode = await reportError(error);
  }
}
