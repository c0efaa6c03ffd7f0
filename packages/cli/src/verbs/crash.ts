/** Verbs about programs: why did it die, and what does it need? */
import type { Command } from "commander";
import type { SetExit } from "./arguments.ts";

export function addCrashVerbs(program: Command, setExit: SetExit): void {
  program
    .command("explain")
    .summary("why did this process die of SIGILL, and what fixes it?")
    .description(
      "From a kernel log, a guest's console, a journal, coredumpctl's text or a core\n" +
        "file to the instruction, the CPU feature it needs, who has it, what to do.\n" +
        "Exit code 1 where something is still missing to say so.",
    )
    .argument("[file]", "a log or a core file; - for stdin")
    .option("--bytes <hex>", "explain the instruction with these bytes instead of a file")
    .option("--binary <file...>", "the programs and libraries that ran, the very builds")
    .option("--snapshot <contract>", "the contract of the snapshot the guest was resumed from")
    .option("--node <profile...>", "the nodes' profiles")
    .option("--plan <path>", "the pool's plan, or its directory")
    .option("--json", "print the explanation as JSON")
    .action(async (file: string | undefined, flags: object) => {
      const { runExplain } = await import("../commands/explain.ts");
      setExit(runExplain(file, flags));
    });
}
