/** `evenkeel fleet …`: changes of the fleet, and the sandboxes that they are about. */
import type { Command } from "commander";
import type { FleetChangeFlags } from "../commands/fleet-change.ts";
import { collect, type SetExit } from "./arguments.ts";

type Handlers = typeof import("../commands/fleet-change.ts");

function verb(
  parent: Command,
  usage: string,
  summary: string,
  run: (handlers: Handlers, args: readonly string[], flags: FleetChangeFlags) => Promise<number>,
  setExit: SetExit,
): Command {
  return parent
    .command(usage)
    .summary(summary)
    .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
    .option("--context <name>", "the fleet to talk to, as `fleet login` named it")
    .option("--json", "print the answer as JSON")
    .action(async (...given: readonly unknown[]) => {
      const flags = given.at(-2) as FleetChangeFlags;
      const args = given.slice(0, -2).filter((arg) => arg !== undefined) as string[];
      setExit(await run(await import("../commands/fleet-change.ts"), args, flags));
    });
}

function addSimulate(fleet: Command, setExit: SetExit): void {
  verb(
    fleet,
    "simulate",
    "which snapshots would a change strand, and what becomes of a pool's plan",
    async ({ runFleetSimulate }, _args, flags) => await runFleetSimulate(flags),
    setExit,
  )
    .option("--remove <node>", "remove a node, or all nodes of a class, repeatable", collect)
    .option("--add <profile>", "add a node, repeatable", collect)
    .option("--with <model[@kernel]>", "add a catalogue model's estimate, repeatable", collect)
    .option(
      "--replace <node=profile>",
      "a node, or each node of a class, is like this from now on, repeatable",
      collect,
    )
    .option("--firecracker <version...>", "all nodes have these Firecracker releases from now on")
    .option("--pool <name>", "say what becomes of this pool's plan")
    .option("--plan-version <version>", "with --pool: compare this version with the running one");
}

export function addFleetChangeVerbs(fleet: Command, setExit: SetExit): void {
  addSimulate(fleet, setExit);
}
