/** Verbs about programs that died. */
import { given, verb, type Parent, type SetExit } from "./arguments.ts";

export function addCrashVerbs(program: Parent, setExit: SetExit): void {
  verb(program, "explain")
    .summary("why did this process die of SIGILL, and what fixes it?")
    .description(
      "Reads a kernel log, a guest's console, a journal, coredumpctl's text or a core file, and names the instruction, the CPU feature it needs, the nodes that have it, and what to do. Exit code 1 if it needs more input to explain the crash.",
    )
    .argument("[file]", "a log or a core file; - for stdin")
    .option("--bytes <hex>", "explain the instruction with these bytes instead of a file")
    .option("--binary <file...>", "the exact builds of the programs and libraries that ran")
    .option("--snapshot <contract>", "the contract of the snapshot that the guest was resumed from")
    .option("--node <profile...>", "the nodes' profiles")
    .option("--plan <path>", "the pool's plan, or its directory")
    .option("--json", "print the explanation as JSON")
    .action(async (file, flags) => {
      const { runExplain } = await import("../commands/explain.ts");
      setExit(runExplain(file, given(flags)));
    });
}
