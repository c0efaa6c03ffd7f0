/** The command line: commands are loaded when they are called, so that `--help` is quick. */
import { Command, CommanderError } from "commander";

const FILES = "profiles: fingerprints, template dumps or evenkeel profiles; - for stdin";

/** An option that may be given more than once, without swallowing the files after it. */
function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function programOf(setExit: (code: number) => void): Command {
  const program = new Command("evenkeel")
    .description("Makes a pool of unlike CPUs behave as one CPU for Firecracker microVMs.")
    .version("0.1.0", "-V, --version")
    .showHelpAfterError("(see evenkeel --help)")
    .exitOverride();

  program
    .command("plan")
    .summary("one guest CPU for these nodes, a CPU template per class, and what it costs")
    .description(
      "Plans a pool: the guest CPU that every node can give, a Firecracker CPU template per\n" +
        "class of nodes that yields it, what each class gives up, and the proof.",
    )
    .argument("[file...]", FILES)
    .option(
      "--with <model[@kernel]>",
      "add a catalogue model's estimate, repeatable (see evenkeel models)",
      collect,
    )
    .option("-o, --out <dir>", "write plan.json and templates/ there")
    .option("--firecracker <version...>", "plan for these versions only (default: 1.5 to 1.16)")
    .option(
      "--identity <which>",
      "family/model/stepping that guests see: oldest, keep, or F/M/S",
      "oldest",
    )
    .option("--require <feature...>", "no plan without these features, or a level: x86-64-v3")
    .option("--forbid <feature...>", "give these features up on purpose")
    .option("--without <class...>", "leave these classes out, by id or by model")
    .option("--compare <name...>", "what a built-in template would do: T2CL, T2S, T2, C3, T2A")
    .option("--split <n>", "several pools, joined where it costs least")
    .option("--max-loss <n>", "pools in which no class gives up more features than this")
    .option("--json", "print the plan as JSON")
    .action(async (files: string[], flags: object) => {
      const { runPlan } = await import("./commands/plan.ts");
      setExit(runPlan(files, flags as Parameters<typeof runPlan>[1]));
    });

  program
    .command("models")
    .summary("which CPU models can be planned with before there is a node")
    .description("Lists the catalogue for `plan --with`: estimates from public documents.")
    .option("--json", "print the list as JSON")
    .action(async (flags: object) => {
      const { runModels } = await import("./commands/models.ts");
      setExit(runModels(flags));
    });

  program
    .command("show")
    .summary("what is in this profile, template or plan, in names")
    .description("Decodes a profile, a fingerprint, a CPU template or a plan into names.")
    .argument("<file>", "the file; - for stdin")
    .option("--fields", "every field with its address, not only features")
    .option("--json", "print the fields as JSON")
    .action(async (file: string, flags: object) => {
      const { runShow } = await import("./commands/show.ts");
      setExit(runShow(file, flags));
    });

  program
    .command("diff")
    .summary("what differs between two profiles, templates or plans, in names")
    .description("Prints named differences with both values. Exit code 1 where there are any.")
    .argument("<a>", "a file; - for stdin")
    .argument("<b>", "a file; - for stdin")
    .option("--json", "print the differences as JSON")
    .action(async (a: string, b: string, flags: object) => {
      const { runDiff } = await import("./commands/diff.ts");
      setExit(runDiff(a, b, flags));
    });

  program
    .command("lint")
    .summary("is this template right for these nodes and versions?")
    .description(
      "Checks a CPU template against nodes: entries that would be fatal, bits that Firecracker\n" +
        "overwrites, features the node cannot back, weaknesses hidden; each with its fix.\n" +
        "Exit code 1 where there is an error.",
    )
    .argument("<template>", "a template's file, or a built-in one: T2CL, T2S, T2, C3, T2A, V1N1")
    .option("--node <profile...>", "the nodes' profiles")
    .option("--firecracker <version...>", "for these versions only (default: 1.5 to 1.16)")
    .option("--json", "print the findings as JSON")
    .action(async (template: string, flags: object) => {
      const { runLint } = await import("./commands/lint.ts");
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
    .option("-o, --out <file>", "write it there")
    .action(async (file: string, flags: object) => {
      const { runContract } = await import("./commands/contract.ts");
      setExit(runContract(file, flags));
    });

  program
    .command("check")
    .summary("may this snapshot resume on these nodes?")
    .description(
      "A verdict per node: compatible, insecure, incompatible or unknown, with all reasons.\n" +
        "Exit code 0 only if every node is compatible.",
    )
    .option("--snapshot <contract>", "the snapshot's contract; - for stdin")
    .option("--node <profile...>", "the nodes' profiles")
    .option("--firecracker <version>", "the version that will resume it there")
    .option("--json", "print verdicts and findings as JSON")
    .action(async (flags: object) => {
      const { runCheck } = await import("./commands/check.ts");
      setExit(runCheck(flags));
    });

  program
    .command("matrix")
    .summary("every ordered pair of classes: may what was taken here resume there?")
    .description(
      "Judges all ordered pairs and prints a grid. Exit code 0 only if all are compatible.\n" +
        "--cert writes a certificate; --verify judges its inputs again and compares.",
    )
    .argument("[profile...]", FILES)
    .option("--template <file>", "guests boot with this CPU template")
    .option("--cpu-template <name>", "guests boot with this built-in template")
    .option("--plan <path>", "guests boot with this plan's templates")
    .option("--firecracker <version>", "the version on all nodes (default: each node's newest)")
    .option("--cert <file>", "write a certificate there")
    .option("--verify <cert>", "prove a certificate again")
    .option("--json", "print verdicts and findings as JSON")
    .action(async (files: string[], flags: object) => {
      const { runMatrix } = await import("./commands/matrix.ts");
      setExit(runMatrix(files, flags));
    });

  return program;
}

async function reportError(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { describeError } = await import("./errors.ts");
  const { exitCode, ...reported } = describeError(error);
  if (process.argv.includes("--json")) {
    process.stdout.write(`${JSON.stringify({ error: reported }, undefined, 2)}\n`);
  }
  process.stderr.write(`evenkeel: ${reported.message}\nhint: ${reported.hint}\n`);
  return exitCode;
}

/** A reader that has seen enough (`evenkeel show FILE | head`) is not an error. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

try {
  await programOf((code) => {
    process.exitCode = code;
  }).parseAsync();
} catch (error) {
  process.exitCode = await reportError(error);
}
