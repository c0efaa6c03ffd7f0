/**
 * Where the packed command starts: what was compiled before is not compiled again. It is kept where
 * only this user writes: another could put other code in its place.
 */
import { mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isOwn, keepCompiled } from "./compiled.ts";
import { answeredQuickly } from "./quick.ts";

/** In a directory that is this user's alone; elsewhere nothing is kept. */
function keepForNextTime(): void {
  const { XDG_CACHE_HOME: named = "" } = process.env;
  const directory = join(
    isAbsolute(named) ? named : join(homedir(), ".cache"),
    "evenkeel/compiled",
  );
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (!isOwn(statSync(directory))) return;
    keepCompiled(dirname(fileURLToPath(import.meta.url)), directory);
  } catch {
    // A home that is closed or full: it starts all the same.
  }
}

async function start(): Promise<void> {
  if (answeredQuickly(process.argv.slice(2))) return;
  keepForNextTime();
  const { main } = await import("./main.ts");
  await main();
}

void start();
