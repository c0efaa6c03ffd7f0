/** Verbs about the launcher that stands in Firecracker's place. */
import { ALL_LINES } from "@evenkeel/core/releases";
import type { Command } from "commander";
import type { SetExit } from "./arguments.ts";

export function addLauncherVerbs(program: Command, setExit: SetExit): void {
  const launcher = program
    .command("launcher")
    .summary("put a template under an orchestrator that knows nothing of templates")
    .description(
      "A small script takes Firecracker's place: it starts the real one with a CPU template and\n" +
        "gets out of the way. See docs/launcher.md.",
    );

  launcher
    .command("install")
    .summary("put a launcher in Firecracker's place")
    .description(
      "Tries the launcher once before it is put there. A Firecracker that stands at PATH itself is\n" +
        "moved to PATH's directory, .evenkeel/, and comes back with `launcher uninstall`.",
    )
    .requiredOption(
      "--firecracker <real>",
      `the real Firecracker, ${ALL_LINES[0]} or later, or its jailer`,
    )
    .requiredOption("--at <path>", "the path that the orchestrator starts")
    .option("--plan <path>", "use this plan's template for the node's class")
    .option("--template <file>", "use this CPU template")
    .option("--cpu-template <name>", "use this built-in one: T2CL, T2S, T2, C3, T2A, V1N1")
    .option("--node <profile>", "the node's profile (default: this machine, probed through KVM)")
    .option("--kvm <path>", "KVM's device", "/dev/kvm")
    .option("--guard", "stay on the socket: write contracts, refuse snapshots by verdict")
    .option("--allow-insecure", "install although guests would leave a mitigation off")
    .option("--json", "print what was installed as JSON")
    .action(async (flags: { readonly firecracker: string; readonly at: string }) => {
      const { runInstall } = await import("../commands/launcher.ts");
      setExit(await runInstall(flags));
    });

  launcher
    .command("uninstall")
    .summary("take the launcher away; the real Firecracker comes back")
    .requiredOption("--at <path>", "where the launcher is")
    .option("--json", "print what was taken away as JSON")
    .action(async (flags: { readonly at: string }) => {
      const { runUninstall } = await import("../commands/launcher.ts");
      setExit(runUninstall(flags));
    });

  launcher
    .command("status")
    .summary("what does the launcher there do, and is it still right?")
    .description("Exit code 1 where no microVM starts through it any more.")
    .requiredOption("--at <path>", "where the launcher is")
    .option("--json", "print the launcher's record and problems as JSON")
    .action(async (flags: { readonly at: string }) => {
      const { runStatus } = await import("../commands/launcher.ts");
      setExit(runStatus(flags));
    });
}
