/**
 * Where the packed command starts: what was compiled before is not compiled again. It is kept where
 * only this user writes: another could put other code in its place.
 */
import { mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { keepCompiled } from "./compiled.ts";
import { answeredQuickly } from "./quick.ts";

const OTHERS_WRITE = 0o022;

/** The directory for compiled code, if it is this user's alone. */
function cacheDirectory(): string | undefined {
  const { XDG_CACHE_HOME: named = "" } = process.env;
  const directory = join(
    isAbsolute(named) ? named : join(homedir(), ".cache"),
    "evenkeel/compiled",
  );
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(directory);
    return uid === process.geteuid?.() && (mode & OTHERS_WRITE) === 0 ? directory : undefined;
  } catch {
    return undefined;
  }
}

async function start(): Promise<void> {
  if (answeredQuickly(process.argv.slice(2))) return;
  const directory = cacheDirectory();
  if (directory !== undefined) keepCompiled(dirname(fileURLToPath(import.meta.url)), directory);
  const { main } = await import("./main.ts");
  await main();
}

void start();
