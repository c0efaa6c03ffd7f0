/** What is set for all commands. */
import { given, OUTPUT, verb, type Parent, type SetExit } from "./arguments.ts";

export function addConfigVerb(program: Parent, setExit: SetExit): void {
  verb(program, "config")
    .summary("which settings are in force, and where each comes from")
    .description(
      "Prints the settings of /etc/evenkeel/config.json, ~/.config/evenkeel/config.json (or EVENKEEL_CONFIG) and the environment: options that commands take where the command line has none. The agent and the server have files of their own.",
    )
    .option(...OUTPUT)
    .option("--json", "print them as JSON")
    .action(async (flags) => {
      const { runConfig } = await import("../commands/config.ts");
      setExit(await runConfig(given(flags)));
    });
}
