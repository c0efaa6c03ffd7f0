/** Verbs about pools: what can these nodes share? */
import { KNOWN_LINES } from "@evenkeel/core/releases";
import {
  collect,
  FILES,
  given,
  KERNEL,
  OUTPUT,
  verb,
  type Parent,
  type SetExit,
} from "./arguments.ts";

export function addPoolVerbs(program: Parent, setExit: SetExit): void {
  verb(program, "plan")
    .summary("one guest CPU for these nodes, a CPU template per class, and what it costs")
    .description(
      "Plans a pool: the guest CPU that every node can give, a Firecracker CPU template per class of nodes that yields it, and what each class gives up.",
    )
    .argument("[file...]", FILES)
    .option(
      "--with <model[@kernel]>",
      "add a catalogue model's estimate, repeatable (see evenkeel models)",
      collect,
    )
    .option("--example", "add the two nodes of the example pool that comes with evenkeel")
    .option("-o, --out <dir>", "write plan.json and templates/ to this directory")
    .option("--firecracker <version...>", `plan for these versions only (default: ${KNOWN_LINES})`)
    .option(
      "--identity <which>",
      "family/model/stepping that guests see: oldest, keep, or F/M/S",
      "oldest",
    )
    .option(
      "--require <feature...>",
      "fail unless guests have these features or this level: x86-64-v3",
    )
    .option("--forbid <feature...>", "give these features up on purpose")
    .option("--without <class...>", "leave these classes out, by id or by model")
    .option("--compare <name...>", "what a built-in template would do: T2CL, T2S, T2, C3, T2A")
    .option(
      "--accept <verdict>",
      "plan even if moves between classes are insecure, or unknown; the plan records it",
    )
    .option("--split <n>", "split into this many pools, at the least cost")
    .option("--max-loss <n>", "split so that no class gives up more features than this")
    .option(
      "--emit <monitor>",
      "print the guest CPU for another monitor: qemu, libvirt, proxmox, cloud-hypervisor",
    )
    .option(...KERNEL)
    .option("--json", "print the plan as JSON")
    .action(async (files, flags) => {
      // A plan is over before V8's optimizer has paid for itself, but for what is truly hot: of a
      // fleet of 10,000 it would take a fifth of the CPU time, on other threads. V8 has no such
      // flag from Node.js 22 on.
      if (process.versions.node.startsWith("20.")) {
        const { setFlagsFromString } = process.getBuiltinModule("node:v8");
        setFlagsFromString("--interrupt-budget=4000000");
      }
      const { runPlan } = await import("../commands/plan.ts");
      setExit(runPlan(files, given(flags)));
    });

  verb(program, "models")
    .summary("which CPU models can `plan --with` add as estimates?")
    .description("Lists the CPU models for `plan --with`: estimates from public documents.")
    .option(...OUTPUT)
    .option("--json", "print the list as JSON")
    .action(async (flags) => {
      const { runModels } = await import("../commands/models.ts");
      setExit(await runModels(given(flags)));
    });
}
