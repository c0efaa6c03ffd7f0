/** Verbs about what changes on a node. */
import {
  CHANGES,
  collect,
  FILES,
  given,
  KERNEL,
  verb,
  type Parent,
  type SetExit,
} from "./arguments.ts";

export function addChangeVerbs(program: Parent, setExit: SetExit): void {
  verb(program, "drift")
    .summary("what does a change to this node mean for its guests and its plan?")
    .description(
      "Compares two profiles of a node, from before and after an update of kernel, microcode or firmware. Exit code 0: nothing to do; 1: someone must act.",
    )
    .option("--baseline <profile>", "the earlier profile; - for stdin")
    .option("--now <profile>", "the current profile; - for stdin (default: probe this machine)")
    .option("--plan <path>", "the node's plan: a plan.json, or its directory")
    .option("-o, --out <file>", "write the new template there, if there is one")
    .option(
      "--firecracker-dir <dir>",
      "without --now: directory of Firecracker versions, as in probe",
    )
    .option("--kvm <path>", "without --now: KVM's device", "/dev/kvm")
    .option(...KERNEL)
    .option("--json", "print everything as JSON, the new template included")
    .action(async (flags) => {
      const { runDrift } = await import("../commands/drift.ts");
      setExit(await runDrift(given(flags)));
    });

  verb(program, "simulate")
    .summary("which snapshots would a change to the fleet strand?")
    .description(
      "Simulates removing, adding, upgrading or changing nodes. Reports which snapshots no node could resume any more, where the others could still resume, and how the plan would change. Changes are applied in this order: --firecracker, --replace, --remove, --add, --with. Exit code 0: nothing is stranded; 1: something is.",
    )
    .argument("[file...]", `the fleet's nodes: ${FILES}`)
    .option(
      "--snapshot <contract>",
      "a snapshot's CPU contract, repeatable (default: one predicted per class)",
      collect,
    )
    .option("--plan <path>", "the running plan: a plan.json, or its directory")
    .option("--new-plan <path>", "compare with this version of the plan")
    .option(...CHANGES.remove)
    .option(...CHANGES.add)
    .option(...CHANGES.with)
    .option(...CHANGES.replace)
    .option(...CHANGES.firecracker)
    .option(...KERNEL)
    .option("--json", "print everything as JSON")
    .action(async (files, flags) => {
      const { runSimulate } = await import("../commands/simulate.ts");
      setExit(runSimulate(files, given(flags)));
    });
}
