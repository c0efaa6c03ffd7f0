/** What all verbs of `evenkeel fleet` have in common: they ask the server of a context. */
import type { Command } from "commander";
import type { SetExit } from "./arguments.ts";

type Run<Handlers, Flags> = (
  handlers: Handlers,
  args: readonly string[],
  flags: Flags,
) => Promise<number>;

type MakeVerb<Handlers, Flags> = (
  parent: Command,
  usage: string,
  summary: string,
  run: Run<Handlers, Flags>,
  setExit: SetExit,
) => Command;

/** Makes verbs whose handlers `load` brings when one runs; flags come last, after arguments. */
export function fleetVerb<Handlers, Flags>(
  load: () => Promise<Handlers>,
): MakeVerb<Handlers, Flags> {
  return (parent, usage, summary, run, setExit) =>
    parent
      .command(usage)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
      .option("--context <name>", "the fleet to talk to, as `fleet login` named it")
      .option("--json", "print the answer as JSON")
      .action(async (...given: readonly unknown[]) => {
        const flags = given.at(-2) as Flags;
        const args = given.slice(0, -2).filter((arg) => arg !== undefined) as string[];
        setExit(await run(await load(), args, flags));
      });
}
