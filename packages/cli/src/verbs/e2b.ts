/** Verbs for E2B's orchestrator, which stays as it is. */
import { given, KVM_OPTION, verb, type Parent, type SetExit } from "./arguments.ts";

const AT = "/run/evenkeel/proc";

function addHostProc(program: Parent, setExit: SetExit): void {
  verb(program, "host-proc")
    .summary("report the pool's guest CPU to an orchestrator that places by CPU model")
    .description(
      "Maintains a directory for the environment variable HOST_PROC: links to /proc, plus a cpuinfo with the family, name and flags of the pool's guest CPU. Its model is a word that all nodes with this guest CPU share and no other node has. The launchers must be installed first. See docs/e2b.md.",
    )
    .option("--plan <path>", "the pool's plan.json or its directory")
    .option("--at <dir>", "the directory to maintain", AT)
    .option("--pool <name>", "pool name, to distinguish pools that have the same guest CPU")
    .option("--node <profile>", "the node's profile (default: probe this machine)")
    .option(...KVM_OPTION)
    .option(
      "--firecracker-dir <dir>",
      "directory of Firecracker versions, where launchers must have the plan's template (default: $FIRECRACKER_VERSIONS_DIR, else /fc-versions)",
    )
    .option("--proc <dir>", "the machine's own /proc", "/proc")
    .option("--drop-in", "print a systemd drop-in that makes a unit see this cpuinfo")
    .option("--watch", "follow the plan and this machine; print a JSON line per change")
    .option("--interval <seconds>", "with --watch: seconds between checks", "5")
    .option("--undo", "remove the directory")
    .option("--json", "print what was written as JSON")
    .action(async (flags) => {
      const { runHostProc } = await import("../commands/host-proc.ts");
      setExit(await runHostProc(given(flags)));
    });
}

function addCheck(e2b: Parent, setExit: SetExit): void {
  verb(e2b, "check")
    .summary("does this node give its guests the pool's CPU, and report it?")
    .description(
      "Checks the Firecrackers and kernels that the orchestrator uses, the launchers, the HOST_PROC directory, and the running orchestrator: its environment and the CPU it reports. Exit code 1 if anything is missing; the report says how to fix it.",
    )
    .option("--plan <path>", "the pool's plan, to compare the launchers and the model with")
    .option("--pool <name>", "with --plan: the pool's name, as given to host-proc")
    .option("--node <profile>", "with --plan: the node's profile (default: probe this machine)")
    .option(...KVM_OPTION)
    .option("--at <dir>", "the HOST_PROC directory", AT)
    .option(
      "--firecracker-dir <dir>",
      "directory of Firecracker versions (default: the orchestrator's $FIRECRACKER_VERSIONS_DIR, else /fc-versions)",
    )
    .option(
      "--kernel-dir <dir>",
      "directory of guest kernels (default: the orchestrator's $HOST_KERNELS_DIR, else /fc-kernels)",
    )
    .option("--proc <dir>", "the machine's own /proc", "/proc")
    .option("--json", "print the findings as JSON")
    .action(async (flags) => {
      const { runE2bCheck } = await import("../commands/e2b.ts");
      setExit(await runE2bCheck(given(flags)));
    });
}

export function addE2bVerbs(program: Parent, setExit: SetExit): void {
  addHostProc(program, setExit);
  const e2b = verb(program, "e2b").summary("nodes of an E2B cluster");
  addCheck(e2b, setExit);
}
