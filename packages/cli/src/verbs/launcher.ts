/** Verbs about the launcher that stands in Firecracker's place. */
import { ALL_LINES } from "@evenkeel/core/releases";
import { given, KVM_OPTION, verb, WHAT, type Parent, type SetExit } from "./arguments.ts";

function addInstall(launcher: Parent, setExit: SetExit): void {
  verb(launcher, "install")
    .summary("put a launcher in Firecracker's place")
    .description(
      "Tries the launcher once before installing it. A Firecracker already at PATH is moved to .evenkeel/ beside it; `launcher uninstall` moves it back.",
    )
    .requiredOption(
      "--firecracker <real>",
      `the real Firecracker, ${ALL_LINES[0]} or later, or its jailer`,
    )
    .requiredOption("--at <path>", "the path that the orchestrator starts")
    .option("--template <what>", `use this template: ${WHAT}`)
    .option("--cpu-template <name>", "use this built-in template, such as T2CL")
    .option("--plan <path>", "use this plan's template for the node's class")
    .option("--node <profile>", "the node's profile (default: probe this machine)")
    .option(...KVM_OPTION)
    .option("--guard", "stay on the socket to write contracts and refuse snapshots by verdict")
    .option(
      "--contracts <dir>",
      "with --guard: store contracts there by the state file's digest, for snapshots that move without one",
    )
    .option("--allow-insecure", "install a template that leaves guest mitigations off")
    .option("--json", "print what was installed as JSON")
    .action(async (flags) => {
      const { runInstall } = await import("../commands/launcher.ts");
      setExit(await runInstall(given(flags)));
    });
}

function addUninstall(launcher: Parent, setExit: SetExit): void {
  verb(launcher, "uninstall")
    .summary("remove the launcher; the real Firecracker comes back")
    .requiredOption("--at <path>", "where the launcher is")
    .option("--json", "print what was removed as JSON")
    .action(async (flags) => {
      const { runUninstall } = await import("../commands/launcher.ts");
      setExit(runUninstall(given(flags)));
    });
}

function addStatus(launcher: Parent, setExit: SetExit): void {
  verb(launcher, "status")
    .summary("what does this launcher start, and is it still valid?")
    .description(
      "Prints what the launcher starts and any problems. Exit code 1 if microVMs no longer start through it.",
    )
    .requiredOption("--at <path>", "where the launcher is")
    .option("--json", "print the launcher's record and problems as JSON")
    .action(async (flags) => {
      const { runStatus } = await import("../commands/launcher.ts");
      setExit(runStatus(given(flags)));
    });
}

export function addLauncherVerbs(program: Parent, setExit: SetExit): void {
  const launcher = verb(program, "launcher")
    .summary("give an orchestrator CPU templates without changing it")
    .description(
      "A small script takes Firecracker's place: it starts the real one with a CPU template and gets out of the way. See docs/launcher.md.",
    );
  for (const add of [addInstall, addUninstall, addStatus]) add(launcher, setExit);
}
