/** The tree of commands: what each does is loaded when it is called, so that `--help` is quick. */
import { Command } from "commander";
import { EXAMPLES } from "./examples.ts";
import type { SetExit } from "./verbs/arguments.ts";
import { versionText } from "./version.ts";
import { addCrashVerbs } from "./verbs/crash.ts";
import { addAgentVerbs } from "./verbs/agent.ts";
import { addChangeVerbs } from "./verbs/change.ts";
import { addE2bVerbs } from "./verbs/e2b.ts";
import { addInspectVerbs } from "./verbs/inspect.ts";
import { addLabVerbs } from "./verbs/lab.ts";
import { addLauncherVerbs } from "./verbs/launcher.ts";
import { addNodeVerbs } from "./verbs/node.ts";
import { addPoolVerbs } from "./verbs/pool.ts";
import { addConfigVerb } from "./verbs/config.ts";
import { addReportVerbs } from "./verbs/report.ts";
import { addCompletionVerb } from "./verbs/completion.ts";
import { addFleetVerbs } from "./verbs/fleet.ts";
import { addScanVerbs } from "./verbs/scan.ts";
import { addServeVerbs } from "./verbs/serve.ts";
import { addSnapshotVerbs } from "./verbs/snapshot.ts";

function addExamples(command: Command, path: readonly string[]): void {
  const examples = EXAMPLES[path.join(" ")];
  if (examples !== undefined) {
    command.addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}\n`).join("")}`);
  }
  for (const child of command.commands) addExamples(child, [...path, child.name()]);
}

export function programOf(setExit: SetExit): Command {
  const program = new Command("evenkeel")
    .description(
      "Gives a mixed-CPU fleet one guest CPU, so that a Firecracker snapshot taken on any node resumes on any other.",
    )
    .version(versionText(), "-V, --version")
    // Independent of the terminal: a build stores the text of --help, see quick.ts.
    .configureHelp({ helpWidth: 80 })
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
    addE2bVerbs,
    addLabVerbs,
    addCrashVerbs,
    addScanVerbs,
    addConfigVerb,
    addReportVerbs,
    addCompletionVerb,
  ];
  for (const add of groups) add(program, setExit);
  addExamples(program, []);
  program.hook("preAction", async (_, command) => {
    const { applySettings } = await import("./settings.ts");
    applySettings(command, process.env);
  });
  return program;
}
