/** What the command's parser takes, without running anything. */
import type { Command } from "commander";
import { programOf } from "../src/program.ts";

function silence(command: Command): void {
  command.exitOverride().action(() => undefined);
  command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  for (const child of command.commands) silence(child);
}

/** Rejects with what the parser says. */
export async function parseOnly(words: readonly string[]): Promise<void> {
  const program = programOf(() => undefined);
  silence(program);
  // Before a command comes what reads settings, which is loaded when it is needed.
  await program.parseAsync(words, { from: "user" });
}
