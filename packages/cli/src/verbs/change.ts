/** Verbs about what changes on a node. */
import { given, KERNEL, verb, type Parent, type SetExit } from "./arguments.ts";

export function addChangeVerbs(program: Parent, setExit: SetExit): void {
  verb(program, "drift")
    .summary("what does a change of this node mean for its guests and its plan?")
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
}
