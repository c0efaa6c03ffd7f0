/** Verbs about snapshots and templates on nodes: contracts and verdicts. */
import { KNOWN_LINES } from "@evenkeel/core/releases";
import { FILES, given, KERNEL, NODES, verb, WHAT, type Parent, type SetExit } from "./arguments.ts";

function addLint(program: Parent, setExit: SetExit): void {
  verb(program, "lint")
    .summary("is this template right for these nodes and versions?")
    .description(
      "Checks a CPU template against nodes: entries that keep microVMs from booting, bits that Firecracker overwrites, features that the node does not have, vulnerabilities hidden from guests; each with its fix. Exit code 1 if there is an error.",
    )
    .argument("<template>", WHAT)
    .option("--node <profile...>", NODES)
    .option("--firecracker <version...>", `for these versions only (default: ${KNOWN_LINES})`)
    .option(...KERNEL)
    .option("--json", "print the findings as JSON")
    .action(async (template, flags) => {
      const { runLint } = await import("../commands/lint.ts");
      setExit(runLint(template, given(flags)));
    });
}

function addContract(program: Parent, setExit: SetExit): void {
  verb(program, "contract")
    .summary("the CPU contract of a snapshot taken on this node")
    .description(
      "Predicts the CPU contract of a snapshot taken on this node: the guest CPU that its programs saw. Keep it beside the snapshot; `evenkeel check` needs it.",
    )
    .argument("<profile>", "the node's profile; - for stdin")
    .option("--template <what>", `boot with this template: ${WHAT}`)
    .option("--cpu-template <name>", "boot with this built-in template, such as T2CL")
    .option("--plan <path>", "boot with this plan's template for the node")
    .option("--firecracker <version>", "the version that boots it (default: the node's newest)")
    .option("--vcpus <n>", "number of vCPUs", "1")
    .option("--smt", "two threads per core")
    .option(...KERNEL)
    .option("-o, --out <file>", "write it there")
    .option("--json", "the result is JSON already; print errors as JSON too")
    .action(async (file, flags) => {
      const { runContract } = await import("../commands/contract.ts");
      setExit(runContract(file, given(flags)));
    });
}

function addCheck(program: Parent, setExit: SetExit): void {
  verb(program, "check")
    .summary("can this snapshot resume on these nodes?")
    .description(
      "Prints a verdict per node (compatible, insecure, incompatible or unknown) with all reasons. Exit code 0 only if every node is compatible.",
    )
    .option("--snapshot <contract>", "the snapshot's contract; - for stdin")
    .option("--from <profile>", "without a contract: the node that would take the snapshot")
    .option("--template <what>", `with --from: boot with this template: ${WHAT}`)
    .option("--node <profile...>", NODES)
    .option("--firecracker <version>", "the version that resumes it and, with --from, takes it")
    .option(...KERNEL)
    .option("-o, --output <format>", "wide, json, yaml, or name: the compatible nodes' names")
    .option("--json", "print verdicts and findings as JSON")
    .action(async (flags) => {
      const { runCheck } = await import("../commands/check.ts");
      setExit(await runCheck(given(flags)));
    });
}

function addMatrix(program: Parent, setExit: SetExit): void {
  verb(program, "matrix")
    .summary("every ordered pair of classes: can a snapshot from A resume on B?")
    .description(
      "Judges all ordered pairs and prints a grid. Exit code 0 only if all are compatible. --cert writes a certificate; --verify judges its inputs again and compares.",
    )
    .argument("[profile...]", FILES)
    .option("--template <what>", `guests boot with this template: ${WHAT}`)
    .option("--cpu-template <name>", "guests boot with this built-in template")
    .option("--plan <path>", "guests boot with this plan's templates")
    .option("--firecracker <version>", "the version on all nodes (default: each node's newest)")
    .option(...KERNEL)
    .option("--cert <file>", "write a certificate there")
    .option("--verify <cert>", "re-check a certificate")
    .option("--json", "print verdicts and findings as JSON")
    .action(async (files, flags) => {
      const { runMatrix } = await import("../commands/matrix.ts");
      setExit(runMatrix(files, given(flags)));
    });
}

export function addSnapshotVerbs(program: Parent, setExit: SetExit): void {
  for (const add of [addLint, addContract, addCheck, addMatrix]) add(program, setExit);
}
