/** E2B's orchestrators that run on this machine, with their environment. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { HostError } from "../errors.ts";

/** What E2B's jobs call their binaries: the same program, for sandboxes and for builds. */
const NAMES = new Set(["orchestrator", "template-manager"]);

export interface Orchestrator {
  readonly pid: number;
  readonly name: string;
  readonly env: ReadonlyMap<string, string>;
}

/** A process may exit at any time; one that has gone is skipped. */
const GONE = new Set(["ENOENT", "ESRCH", "ENOTDIR"]);

function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** By its argv[0] or by its executable: a process can change the former, but not the latter. */
function nameOf(directory: string): string | undefined {
  const [word = ""] = readFileSync(join(directory, "cmdline"), "utf8").split("\0");
  if (NAMES.has(basename(word))) return basename(word);
  // A kernel thread has neither, and other users' files may be unreadable.
  let file: string;
  try {
    file = readlinkSync(join(directory, "exe"));
  } catch {
    return undefined;
  }
  const name = basename(file).replace(/ \(deleted\)$/, "");
  return NAMES.has(name) ? name : undefined;
}

function environmentIn(directory: string): ReadonlyMap<string, string> {
  const file = join(directory, "environ");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (GONE.has(code)) throw error;
    throw new HostError("E2B_UNREADABLE", `${file}: ${code}`, { cause: error });
  }
  const pairs = text.split("\0").filter((pair) => pair.includes("="));
  return new Map(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** `proc`: where the machine's /proc is. Throws E2B_UNREADABLE where another user's may not be read. */
export function findOrchestrators(proc: string): Orchestrator[] {
  const pids = readdirSync(proc).filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    const directory = join(proc, pid);
    const found = unlessGone(() => {
      const name = nameOf(directory);
      return name === undefined
        ? undefined
        : { pid: Number(pid), name, env: environmentIn(directory) };
    });
    return found === undefined ? [] : [found];
  });
}
