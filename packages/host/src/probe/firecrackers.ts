/** The Firecracker versions installed side by side, each asked for its version. */
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { promisify } from "node:util";
import { findFirecrackers } from "../firecracker/find.ts";

const TIMEOUT_MS = 2000;

export interface Answers {
  /** Versions as the binaries report them, without duplicates, sorted: `1.14.1`. */
  readonly versions: readonly string[];
  /** Binaries that are there but do not answer, as messages. */
  readonly problems: readonly string[];
}

const run = promisify(execFile);

type Answer = { readonly version: string } | { readonly problem: string };

async function ask(path: string): Promise<Answer> {
  try {
    const { stdout } = await run(path, ["--version"], { timeout: TIMEOUT_MS, maxBuffer: 1 << 16 });
    const version = /^Firecracker v(\S+)/m.exec(stdout)?.[1];
    return version === undefined
      ? { problem: `${path} --version does not name a version` }
      : { version };
  } catch (error) {
    const [line = ""] = String(error instanceof Error ? error.message : error).split("\n");
    return { problem: `${path} does not run: ${line}` };
  }
}

/** Asks every binary below the directory; throws where the directory cannot be read. */
export async function askFirecrackers(directory: string): Promise<Answers> {
  await readdir(directory);
  const installed = findFirecrackers({ FIRECRACKER_VERSIONS_DIR: directory });
  const answers = await Promise.all(installed.map(({ path }) => ask(path)));
  const versions = answers.flatMap((a) => ("version" in a ? [a.version] : []));
  return {
    versions: [...new Set(versions)].toSorted((a, b) =>
      a.localeCompare(b, "en", { numeric: true }),
    ),
    problems: answers.flatMap((a) => ("problem" in a ? [a.problem] : [])),
  };
}
