/** The fleet service. */
import { SERVER_OPTIONS } from "@evenkeel/server/options";
import { flagOf } from "@evenkeel/agent/options";
import type { Command } from "commander";
import type { SetExit } from "./arguments.ts";

export function addServeVerbs(program: Command, setExit: SetExit): void {
  const serve = program
    .command("serve")
    .summary("run the fleet service: nodes, pools, plans, placement")
    .description(
      "Runs the fleet service: agents join it, it plans pools and knows which snapshot can " +
        "resume where. Flags override the environment, which overrides the file.",
    )
    .option("--config <file>", "a JSON file with these options, in camelCase")
    .option("--export <file>", "write the whole store to a file, and exit")
    .option("--import <file>", "fill an empty store from an exported file, and exit");
  for (const [key, { env, argument, help, default: value }] of Object.entries(SERVER_OPTIONS)) {
    const by = value === undefined ? "" : `, default ${value}`;
    serve.option(`${flagOf(key)} <${argument}>`, `${help} (${env}${by})`);
  }
  serve.action(async (flags: object) => {
    const { runServe } = await import("../commands/serve.ts");
    setExit(await runServe(flags));
  });
}
