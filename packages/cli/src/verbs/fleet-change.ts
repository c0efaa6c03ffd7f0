/** `evenkeel fleet …`: changes of the fleet, and the sandboxes that they are about. */
import type { Command } from "commander";
import type { FleetChangeFlags } from "../commands/fleet-change.ts";
import { CHANGES, collect, type SetExit } from "./arguments.ts";
import { fleetVerb } from "./fleet-verb.ts";

type Handlers = typeof import("../commands/fleet-change.ts");

const verb = fleetVerb<Handlers, FleetChangeFlags>(
  async () => await import("../commands/fleet-change.ts"),
);

function addSimulate(fleet: Command, setExit: SetExit): void {
  verb(
    fleet,
    "simulate",
    "which snapshots would a change strand, and how would a pool's plan change?",
    async ({ runFleetSimulate }, _args, flags) => await runFleetSimulate(flags),
    setExit,
  )
    .option(...CHANGES.remove)
    .option(...CHANGES.add)
    .option(...CHANGES.with)
    .option(...CHANGES.replace)
    .option(...CHANGES.firecracker)
    .option("--pool <name>", "also show how this pool's plan would change")
    .option("--plan-version <version>", "with --pool: compare this version with the running one");
}

function addWhere(command: Command): void {
  command
    .option("--node <name>", "on this node, if it can")
    .option("--pool <name>", "on a node of this pool")
    .option("--node-label <key=value>", "on a node with this label, repeatable", collect)
    .option("--timeout <seconds>", "how long it may run; default: the node's default")
    .option(
      "--override <verdict>",
      "with --node and --reason: override this verdict (needs the role override)",
    )
    .option("--reason <text>", "why the verdict is overridden");
}

function addSandboxes(fleet: Command, setExit: SetExit): void {
  const group = fleet
    .command("sandboxes")
    .summary("list sandboxes; create, pause, resume and kill them")
    .description("Lists, starts, pauses, resumes and kills sandboxes, through the nodes' agents.")
    .configureHelp({ subcommandTerm: (command) => command.name() });
  group
    .command("list", { isDefault: true })
    .summary("list sandboxes")
    .description("Lists sandboxes as their nodes last reported them.")
    .option("--context <name>", "the fleet to talk to, as `fleet login` named it")
    .option("--json", "print the answer as JSON")
    .action(async (flags: FleetChangeFlags) => {
      const { runListSandboxes } = await import("../commands/fleet-change.ts");
      setExit(await runListSandboxes(flags));
    });
  const create = verb(
    group,
    "create <snapshot>",
    "start a sandbox from a template or snapshot, on the best node that can run it",
    async ({ runCreateSandbox }, [from = ""], flags) => await runCreateSandbox(from, flags),
    setExit,
  );
  addWhere(create);
  create
    .option("--on-timeout <what>", "what happens then: kill or pause", "kill")
    .option("--label <key=value>", "a label of the sandbox, repeatable", collect);
  const resume = verb(
    group,
    "resume <id>",
    "resume a paused sandbox where it is, or on another node that can run it",
    async ({ runOnSandbox }, [id = ""], flags) => await runOnSandbox("resume", id, flags),
    setExit,
  );
  addWhere(resume);
  for (const [name, summary] of [
    ["pause", "snapshot a sandbox and end its microVM"],
    ["kill", "end a sandbox and remove its files"],
  ] as const) {
    verb(
      group,
      `${name} <id>`,
      summary,
      async ({ runOnSandbox }, [id = ""], flags) => await runOnSandbox(name, id, flags),
      setExit,
    );
  }
}

function addDrain(fleet: Command, setExit: SetExit): void {
  verb(
    fleet,
    "drain <node>",
    "cordon a node, pause what runs there, and move what other nodes can resume",
    async ({ runDrain }, [node = ""], flags) => await runDrain(node, flags),
    setExit,
  )
    .option("--dry-run", "print what would be done, and exit")
    .option("--strand <count>", "go on although this many snapshots stay behind");
}

function addLabels(fleet: Command, setExit: SetExit): void {
  verb(
    fleet,
    "labels",
    "class, pool and plan of each node, as commands for other schedulers",
    async ({ runLabels }, _args, flags) => await runLabels(flags),
    setExit,
  ).requiredOption("-o, --output <format>", "kubernetes or nomad");
}

export function addFleetChangeVerbs(fleet: Command, setExit: SetExit): void {
  addLabels(fleet, setExit);
  addDrain(fleet, setExit);
  addSimulate(fleet, setExit);
  addSandboxes(fleet, setExit);
}
