/**
 * Where the packed command starts: what was compiled before is not compiled again. Node keeps such
 * code in the system's temporary directory by default, where another user could put other code in
 * its place; ours is kept where only this user writes.
 */
import { mkdirSync, statSync } from "node:fs";
import * as modules from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
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

/** From Node 22.1 on. */
const { enableCompileCache } = modules as { enableCompileCache?: (directory: string) => unknown };

if (!answeredQuickly(process.argv.slice(2))) {
  const directory = enableCompileCache === undefined ? undefined : cacheDirectory();
  if (directory !== undefined) enableCompileCache?.(directory);
  const { main } = await import("./main.ts");
  await main();
}
