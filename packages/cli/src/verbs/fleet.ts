/** `evenkeel fleet …`: what the fleet is like, and what operators do to it. */
import type { Command } from "commander";
import type { FleetFlags } from "../commands/fleet.ts";
import { collect, type SetExit } from "./arguments.ts";
import { addFleetChangeVerbs } from "./fleet-change.ts";
import { fleetVerb } from "./fleet-verb.ts";

type Handlers = typeof import("../commands/fleet.ts");

const KINDS = "nodes, classes, pools, plans, contracts, snapshots, tokens, audit";

const verb = fleetVerb<Handlers, FleetFlags>(async () => await import("../commands/fleet.ts"));

function addReading(fleet: Command, setExit: SetExit): void {
  verb(
    fleet,
    "get <kind> [name]",
    `list ${KINDS}`,
    async ({ runGet }, [kind = "", name], flags) => await runGet(kind, name, flags),
    setExit,
  )
    .option("-o, --output <format>", "json, yaml, wide or name; default: a table")
    .option("-w, --watch", "keep running, and print rows as they change");
  verb(
    fleet,
    "describe <kind> <name> [version]",
    "show everything about a node, a pool, a plan version or a contract",
    async ({ runDescribe }, args, flags) => await runDescribe(args, flags),
    setExit,
  );
  verb(
    fleet,
    "place <snapshot>",
    "which nodes can run a snapshot (name or digest) or contract/DIGEST, best first, or why none can",
    async ({ runPlace }, [digest = ""], flags) => await runPlace(digest, flags),
    setExit,
  )
    .option("--memory <MiB>", "memory of the guest; default: the snapshot's")
    .option("--label <key=value>", "nodes must have this label, repeatable", collect)
    .option("--pool <name>", "nodes must be in this pool");
}

function addE2bKeys(fleet: Command, setExit: SetExit): void {
  const keys = fleet.command("e2b-key").summary("teams' keys for E2B's API");
  keys.description("Makes, lists and revokes the keys that teams call E2B's API with.");
  verb(
    keys,
    "create <team> <name>",
    "make a key for a team, and print it once",
    async ({ runCreateE2bKey }, [team = "", name = ""], flags) =>
      await runCreateE2bKey(team, name, flags),
    setExit,
  );
  verb(
    keys,
    "delete <team> <name>",
    "revoke a team's key",
    async ({ runDeleteE2bKey }, [team = "", name = ""], flags) =>
      await runDeleteE2bKey(team, name, flags),
    setExit,
  );
  verb(
    keys,
    "list",
    "list the keys of all teams, without the keys themselves",
    async ({ runListE2bKeys }, _args, flags) => await runListE2bKeys(flags),
    setExit,
  );
}

function addChanging(fleet: Command, setExit: SetExit): void {
  verb(
    fleet,
    "join-token",
    "make a token that lets one node join",
    async ({ runJoinToken }, _args, flags) => await runJoinToken(flags),
    setExit,
  )
    .option("--ttl <seconds>", "how long it is valid", "3600")
    .option("--label <key=value>", "a label that the node gets, repeatable", collect);
  for (const [name, summary] of [
    ["cordon", "keep new work off a node"],
    ["uncordon", "allow new work on a node again"],
  ] as const) {
    verb(
      fleet,
      `${name} <node>`,
      summary,
      async ({ runCordon }, [node = ""], flags) => await runCordon(node, name === "cordon", flags),
      setExit,
    );
  }
  verb(
    fleet,
    "release <node> <profile>",
    "allow new work on a node again after its profile changed to this digest",
    async ({ runRelease }, [node = "", profile = ""], flags) =>
      await runRelease(node, profile, flags),
    setExit,
  );
  verb(
    fleet,
    "delete <kind> <name>",
    "forget a node and revoke its certificate, or delete a pool or a token",
    async ({ runDelete }, [kind = "", name = ""], flags) => await runDelete(kind, name, flags),
    setExit,
  );
}

function addPlanning(fleet: Command, setExit: SetExit): void {
  verb(
    fleet,
    "create-pool <name>",
    "make a pool of the nodes that have these labels",
    async ({ runCreatePool }, [name = ""], flags) => await runCreatePool(name, flags),
    setExit,
  )
    .option(
      "--label <key=value>",
      "label that its nodes have, repeatable; default: all nodes",
      collect,
    )
    .option("--strategy <how>", "spread guests over nodes, or pack them", "spread")
    .option(
      "--unplanned <what>",
      "cold boots before a node has applied the pool's plan: refuse, or allow with the host's own CPU",
      "refuse",
    );
  verb(
    fleet,
    "plan <pool>",
    "compute a plan version for a pool's current nodes, and show what it changes",
    async ({ runPlanPool }, [pool = ""], flags) => await runPlanPool(pool, flags),
    setExit,
  )
    .option("--forbid <feature>", "give this feature up on purpose, repeatable", collect)
    .option("--require <feature>", "fail unless guests have this feature, repeatable", collect)
    .option("--accept <verdict>", "accept moves that are unknown or insecure");
  verb(
    fleet,
    "approve <pool> <version> <digest>",
    "roll a plan version out to a pool's nodes, by the digest that `fleet plan` showed; an earlier version is a rollback",
    async ({ runApprove }, [pool = "", version = "", digest = ""], flags) =>
      await runApprove(pool, version, digest, flags),
    setExit,
  ).option("--at-once", "all nodes at once, not in waves");
  verb(
    fleet,
    "halt <pool>",
    "halt the rollout of a plan version: nodes go back to the one before",
    async ({ runHalt }, [pool = ""], flags) => await runHalt(pool, flags),
    setExit,
  ).option("--strand <count>", "go on although this strands that many snapshots");
}

export function addFleetVerbs(program: Command, setExit: SetExit): void {
  const fleet = program
    .command("fleet")
    .summary("talk to the fleet service: nodes, classes, pools, plans, snapshots")
    .description("Queries and controls the fleet service.")
    // With their arguments the names would leave no room for what the verbs do at 80 columns.
    .configureHelp({ subcommandTerm: (command) => command.name() });
  verb(
    fleet,
    "login <name>",
    "save a server's address and a token as a context",
    async ({ runLogin }, [name = ""], flags) => await runLogin(name, flags),
    setExit,
  )
    .requiredOption("--server <url>", "https://host:port")
    .requiredOption("--token-file <file>", "file with the token")
    .option(
      "--ca-digest <sha256>",
      "digest that the server's CA must have; default: trust on first use",
    );
  addReading(fleet, setExit);
  addPlanning(fleet, setExit);
  addE2bKeys(fleet, setExit);
  addChanging(fleet, setExit);
  addFleetChangeVerbs(fleet, setExit);
}
