/** Completions for shells. */
import type { Command } from "commander";
import type { SetExit } from "./arguments.ts";

export function addCompletionVerb(program: Command, setExit: SetExit): void {
  program
    .command("completion")
    .summary("completions for bash, zsh or fish")
    .description(
      "Prints a script for the shell. bash: source <(evenkeel completion bash); fish:\n" +
        "evenkeel completion fish | source; zsh: write it as _evenkeel into a directory of $fpath.",
    )
    .argument("<shell>", "bash, zsh or fish")
    .action(async (shell: string) => {
      const { runCompletion } = await import("../commands/completion.ts");
      setExit(runCompletion(shell, program));
    });
}
