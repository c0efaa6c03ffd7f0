/** `evenkeel completion`: what a shell needs to complete evenkeel's commands and options. */
import type { Command } from "commander";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { treeOf, type TreeCommand } from "../completion/tree.ts";
import { zshCompletion } from "../completion/zsh.ts";
import { CliError } from "../errors.ts";

const COMPLETIONS: Readonly<Record<string, (tree: TreeCommand) => string>> = {
  bash: bashCompletion,
  fish: fishCompletion,
  zsh: zshCompletion,
};

export function runCompletion(shell: string, program: Command): number {
  const complete = Object.hasOwn(COMPLETIONS, shell) ? COMPLETIONS[shell] : undefined;
  if (complete === undefined) {
    const known = Object.keys(COMPLETIONS).join(", ");
    throw new CliError("USAGE", `no completions for ${shell}; supported: ${known}`);
  }
  process.stdout.write(complete(treeOf(program)));
  return 0;
}
