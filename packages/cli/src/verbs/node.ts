/** Verbs about this machine: what can it offer, and does it do what templates say? */
import type { Command } from "commander";
import type { SetExit } from "./arguments.ts";

const KVM_OPTION = ["--kvm <path>", "KVM's device", "/dev/kvm"] as const;

export function addNodeVerbs(program: Command, setExit: SetExit): void {
  program
    .command("probe")
    .summary("what can this machine offer a guest?")
    .description(
      "Asks this machine's KVM, and tries on a real vCPU whether it does what CPU templates say.\n" +
        "Makes the node profile that plan, check and lint take.",
    )
    .option("-o, --out <file>", "write the profile there")
    .option("--name <name>", "the node's name (default: the machine's host name)")
    .option(
      "--firecracker-dir <dir>",
      "where Firecracker versions are: DIR/<version>/firecracker\n" +
        "(default: $FIRECRACKER_VERSIONS_DIR, else /fc-versions)",
    )
    .option(...KVM_OPTION)
    .option("--raw", "without KVM: an estimate from the cpuid tool or /proc/cpuinfo")
    .option("--watch", "probe again on change and at an interval; print a JSON line per change")
    .option("--interval <seconds>", "with --watch: how often everything is probed again", "300")
    .option("--json", "print the profile")
    .action(async (flags: object) => {
      const { runProbe } = await import("../commands/probe.ts");
      setExit(await runProbe(flags as Parameters<typeof runProbe>[0]));
    });

  program
    .command("verify")
    .summary("does this machine really produce what the template or plan says?")
    .description(
      "Gives a real vCPU of this machine what Firecracker would give it, up to the first\n" +
        "instruction, reads it back and compares. Exit code 1 where anything differs, with whose\n" +
        "doing it is. Needs KVM, but no Firecracker.",
    )
    .argument(
      "<template-or-plan>",
      "a template's file or built-in name, a plan.json or its directory",
    )
    .option(
      "--firecracker <version...>",
      "as these versions do (default: those installed, else all)",
    )
    .option("--name <name>", "the node's name in the plan (default: the machine's host name)")
    .option("--firecracker-dir <dir>", "where Firecracker versions are, as in probe")
    .option(...KVM_OPTION)
    .option("--json", "print the mismatches as JSON")
    .action(async (what: string, flags: object) => {
      const { runVerify } = await import("../commands/verify.ts");
      setExit(await runVerify(what, flags as Parameters<typeof runVerify>[1]));
    });
}
