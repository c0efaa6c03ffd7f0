/** The command line: runs the command, and reports errors. */
import { CommanderError } from "commander";
import { programOf } from "./program.ts";

/** The parser has already printed its message. */
function reportUsage({ exitCode, message }: CommanderError): number {
  if (exitCode === 0) return 0;
  if (process.argv.includes("--json")) {
    const text = message.replace(/^error: /, "");
    const error = { code: "USAGE", message: text, hint: "See `evenkeel --help`." };
    process.stdout.write(`${JSON.stringify({ error }, undefined, 2)}\n`);
  }
  return 2;
}

async function reportError(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return reportUsage(error);
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
