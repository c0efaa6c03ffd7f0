/** What is set for all commands. */
import { given, OUTPUT, verb, type Parent, type SetExit } from "./arguments.ts";

export function addConfigVerb(program: Parent, setExit: SetExit): void {
  verb(program, "config")
    .summary("which settings are in effect, and where each comes from")
    .description(
      "Prints the settings of /etc/evenkeel/config.json, ~/.config/evenkeel/config.json (or EVENKEEL_CONFIG) and the environment: defaults for options that the command line does not give. The agent and the server have their own files.",
    )
    .option(...OUTPUT)
    .option("--json", "print them as JSON")
    .action(async (flags) => {
      const { runConfig } = await import("../commands/config.ts");
      setExit(await runConfig(given(flags)));
    });
}
