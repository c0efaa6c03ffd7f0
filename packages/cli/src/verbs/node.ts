/** Verbs about this machine: what can it offer, and does it do what templates say? */
import { given, KVM_OPTION, verb, WHAT, type Parent, type SetExit } from "./arguments.ts";

function addProbe(program: Parent, setExit: SetExit): void {
  verb(program, "probe")
    .summary("what can this machine offer a guest?")
    .description(
      "Asks this machine's KVM what it offers guests, and tests on a real vCPU whether it enforces CPU templates. Writes the node profile that plan, check and lint read.",
    )
    .option("-o, --out <file>", "write the profile there")
    .option("--name <name>", "the node's name (default: the machine's host name)")
    .option(
      "--firecracker-dir <dir>",
      "directory of Firecracker versions: DIR/<version>/firecracker (default: $FIRECRACKER_VERSIONS_DIR, else /fc-versions)",
    )
    .option(...KVM_OPTION)
    .option("--raw", "without KVM: an estimate from the cpuid tool or /proc/cpuinfo")
    .option("--watch", "probe again on change and at an interval; print a JSON line per change")
    .option("--interval <seconds>", "with --watch: seconds between full probes", "300")
    .option("--json", "print the profile")
    .action(async (flags) => {
      const { runProbe } = await import("../commands/probe.ts");
      setExit(await runProbe(given(flags)));
    });
}

function addVerify(program: Parent, setExit: SetExit): void {
  verb(program, "verify")
    .summary("does this machine really produce what the template or plan says?")
    .description(
      "Sets up a real vCPU on this machine as Firecracker does before the first instruction, reads it back and compares. Exit code 1 if anything differs; the report says which component caused it. Needs KVM, but not Firecracker.",
    )
    .argument("<what>", WHAT)
    .option(
      "--firecracker <version...>",
      "boot as these versions do (default: the plan's, else those installed, else all)",
    )
    .option("--name <name>", "the node's name (default: the machine's host name)")
    .option("--firecracker-dir <dir>", "directory of Firecracker versions, as in probe")
    .option(...KVM_OPTION)
    .option("--json", "print the mismatches as JSON")
    .action(async (what, flags) => {
      const { runVerify } = await import("../commands/verify.ts");
      setExit(await runVerify(what, given(flags)));
    });
}

function addLabels(program: Parent, setExit: SetExit): void {
  verb(program, "labels")
    .summary("this node's class, pool and plan as labels for schedulers")
    .description(
      "Prints evenkeel.dev/class, evenkeel.dev/pool and evenkeel.dev/plan (the first digits of the plan's SHA-256) as key=value lines, as `nomad node meta apply` and Kubernetes' node-feature-discovery take them. If the plan does not fit the node, prints no labels and exits with 1.",
    )
    .requiredOption("--plan <path>", "the node's plan: a plan.json, or its directory")
    .option("--pool <name>", "the pool's name; without it there is no pool label")
    .option("--node <profile>", "the node's profile (default: probe this machine)")
    .option(...KVM_OPTION)
    .option("-o, --out <file>", "write them there")
    .option("--json", "as JSON")
    .action(async (flags) => {
      const { runLabels } = await import("../commands/labels.ts");
      setExit(await runLabels(given(flags)));
    });
}

export function addNodeVerbs(program: Parent, setExit: SetExit): void {
  addProbe(program, setExit);
  addVerify(program, setExit);
  addLabels(program, setExit);
}
