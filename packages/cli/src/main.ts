/** The command line: commands are loaded when they are called, so that `--help` is quick. */
import { Command, CommanderError } from "commander";
import type { SetExit } from "./verbs/arguments.ts";
import { addCrashVerbs } from "./verbs/crash.ts";
import { addAgentVerbs } from "./verbs/agent.ts";
import { addChangeVerbs } from "./verbs/change.ts";
import { addInspectVerbs } from "./verbs/inspect.ts";
import { addLabVerbs } from "./verbs/lab.ts";
import { addLauncherVerbs } from "./verbs/launcher.ts";
import { addNodeVerbs } from "./verbs/node.ts";
import { addPoolVerbs } from "./verbs/pool.ts";
import { addScanVerbs } from "./verbs/scan.ts";
import { addFleetVerbs } from "./verbs/fleet.ts";
import { addServeVerbs } from "./verbs/serve.ts";
import { addSnapshotVerbs } from "./verbs/snapshot.ts";

function programOf(setExit: SetExit): Command {
  const program = new Command("evenkeel")
    .description("Makes a pool of unlike CPUs behave as one CPU for Firecracker microVMs.")
    .version("0.1.0", "-V, --version")
    .showHelpAfterError("(see evenkeel --help)")
    .exitOverride();
  const groups = [
    addPoolVerbs,
    addInspectVerbs,
    addSnapshotVerbs,
    addNodeVerbs,
    addChangeVerbs,
    addAgentVerbs,
    addServeVerbs,
    addFleetVerbs,
    addLauncherVerbs,
    addLabVerbs,
    addCrashVerbs,
    addScanVerbs,
  ];
  for (const add of groups) add(program, setExit);
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

export async function main(): Promise<void> {
  try {
    await programOf((code) => {
      process.exitCode = code;
    }).parseAsync();
  } catch (error) {
    process.exitCode = await reportError(error);
  }
}
