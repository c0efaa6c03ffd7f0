/** Verbs about what changes on a node. */
import type { Command } from "commander";
import { KERNEL, type SetExit } from "./arguments.ts";

export function addChangeVerbs(program: Command, setExit: SetExit): void {
  program
    .command("drift")
    .summary("what does a change of this node mean for its guests and its plan?")
    .description(
      "Compares two profiles of a node, from before and after an update of kernel,\n" +
        "microcode or firmware. Exit code 0 where nobody has to act, 1 where someone has.",
    )
    .option("--baseline <profile>", "the node as it was; - for stdin")
    .option("--now <profile>", "the node as it is; - for stdin (default: this machine, probed)")
    .option("--plan <path>", "the plan that the node is part of: a directory or its plan.json")
    .option("-o, --out <file>", "write the new template there, where there is one")
    .option("--firecracker-dir <dir>", "without --now: where Firecracker versions are, as in probe")
    .option("--kvm <path>", "without --now: KVM's device", "/dev/kvm")
    .option(...KERNEL)
    .option("--json", "print all of it as JSON, the new template included")
    .action(async (flags: object) => {
      const { runDrift } = await import("../commands/drift.ts");
      setExit(await runDrift(flags));
    });
}
