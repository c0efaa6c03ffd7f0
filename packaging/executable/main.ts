/** The executable is the command, and the guard that launchers start. */
import { answeredQuickly } from "../../packages/cli/src/quick.ts";
import { readAsset, scriptsFrom } from "./scripts.ts";
import { GUARD_WORD } from "./words.ts";

/** As launchers pass them to Node.js, where there is one. */
const GUARD_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=96"];

async function start(): Promise<void> {
  // Node.js gives this script a `require` of its own modules alone.
  const { load } = scriptsFrom(readAsset, (name) => require(name) as unknown);
  if (process.argv[2] === GUARD_WORD) {
    const { setFlagsFromString } = process.getBuiltinModule("node:v8");
    for (const flag of GUARD_FLAGS) setFlagsFromString(flag);
    process.argv.splice(2, 1);
    load("guard.js");
    return;
  }
  if (answeredQuickly(process.argv.slice(2))) return;
  const { main } = load("command.js") as typeof import("../../packages/cli/src/main.ts");
  await main();
}

void start();
