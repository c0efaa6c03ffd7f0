/** The executable is the command, and the guard that launchers start. */
import { setFlagsFromString } from "node:v8";
import { GUARD_WORD } from "./words.ts";

/** As launchers pass them to Node.js, where there is one. */
const GUARD_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=96"];

async function start(): Promise<void> {
  if (process.argv[2] !== GUARD_WORD) {
    const { main } = await import("../../packages/cli/src/main.ts");
    await main();
    return;
  }
  for (const flag of GUARD_FLAGS) setFlagsFromString(flag);
  process.argv.splice(2, 1);
  await import("../../packages/host/src/guard/main.ts");
}

void start();
