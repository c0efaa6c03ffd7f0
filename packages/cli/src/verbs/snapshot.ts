/** Verbs about snapshots and templates on nodes: promises and verdicts. */
import { KNOWN_LINES } from "@evenkeel/core/releases";
import type { Command } from "commander";
import { FILES, KERNEL, type SetExit } from "./arguments.ts";

export function addSnapshotVerbs(program: Command, setExit: SetExit): void {
  program
    .command("lint")
    .summary("is this template right for these nodes and versions?")
    .description(
      "Checks a CPU template against nodes: entries that would be fatal, bits that Firecracker\n" +
        "overwrites, features the node cannot back, weaknesses hidden; each with its fix.\n" +
        "Exit code 1 where there is an error.",
    )
    .argument(
      "<template>",
      "a template's file, a built-in one (T2CL, T2S, T2, C3, T2A, V1N1), or a plan",
    )
    .option("--node <profile...>", "the nodes' profiles")
    .option("--firecracker <version...>", `for these versions only (default: ${KNOWN_LINES})`)
    .option(...KERNEL)
    .option("--json", "print the findings as JSON")
    .action(async (template: string, flags: object) => {
      const { runLint } = await import("../commands/lint.ts");
      setExit(runLint(template, flags));
    });

  program
    .command("contract")
    .summary("what a snapshot taken on this node would promise its programs")
    .description(
      "Predicts the CPU contract of a snapshot: the guest CPU with which it would be taken on\n" +
        "this node. Keep it beside the snapshot; `evenkeel check` asks it.",
    )
    .argument("<profile>", "the node's profile; - for stdin")
    .option("--template <file>", "boot with this CPU template")
    .option(
      "--cpu-template <name>",
      "boot with this built-in template: T2CL, T2S, T2, C3, T2A, V1N1",
    )
    .option("--plan <path>", "boot with this plan's template for the node")
    .option("--firecracker <version>", "the version that boots it (default: the node's newest)")
    .option("--vcpus <n>", "number of vCPUs", "1")
    .option("--smt", "two threads per core")
    .option(...KERNEL)
    .option("-o, --out <file>", "write it there")
    .option("--json", "the result is JSON already; errors are printed as JSON too")
    .action(async (file: string, flags: object) => {
      const { runContract } = await import("../commands/contract.ts");
      setExit(runContract(file, flags));
    });

  program
    .command("check")
    .summary("can this snapshot resume on these nodes?")
    .description(
      "A verdict per node: compatible, insecure, incompatible or unknown, with all reasons.\n" +
        "Exit code 0 only if every node is compatible.",
    )
    .option("--snapshot <contract>", "the snapshot's contract; - for stdin")
    .option("--node <profile...>", "the nodes' profiles")
    .option("--firecracker <version>", "the version that will resume it there")
    .option(...KERNEL)
    .option("--json", "print verdicts and findings as JSON")
    .action(async (flags: object) => {
      const { runCheck } = await import("../commands/check.ts");
      setExit(runCheck(flags));
    });

  program
    .command("matrix")
    .summary("every ordered pair of classes: can a snapshot from A resume on B?")
    .description(
      "Judges all ordered pairs and prints a grid. Exit code 0 only if all are compatible.\n" +
        "--cert writes a certificate; --verify judges its inputs again and compares.",
    )
    .argument("[profile...]", FILES)
    .option("--template <file>", "guests boot with this CPU template")
    .option("--cpu-template <name>", "guests boot with this built-in template")
    .option("--plan <path>", "guests boot with this plan's templates")
    .option("--firecracker <version>", "the version on all nodes (default: each node's newest)")
    .option(...KERNEL)
    .option("--cert <file>", "write a certificate there")
    .option("--verify <cert>", "re-check a certificate")
    .option("--json", "print verdicts and findings as JSON")
    .action(async (files: string[], flags: object) => {
      const { runMatrix } = await import("../commands/matrix.ts");
      setExit(runMatrix(files, flags));
    });
}
