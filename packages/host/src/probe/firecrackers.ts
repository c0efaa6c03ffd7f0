/** The Firecracker versions installed side by side, each asked for its version. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { compareText } from "@evenkeel/core";

/** Where E2B's orchestrator looks; FIRECRACKER_VERSIONS_DIR wins. */
export const FIRECRACKER_DIRECTORY = "/fc-versions";

/** `uname -m`'s and Go's names of this architecture, as directories are called. */
const ARCHITECTURES = process.arch === "arm64" ? ["aarch64", "arm64"] : ["x86_64", "amd64"];
const NAME = "firecracker";
const TIMEOUT_MS = 2000;

export interface Installed {
  /** As the binaries name themselves, each once, sorted: `1.14.1`. */
  readonly versions: readonly string[];
  /** What is there and does not answer, for a person. */
  readonly problems: readonly string[];
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

const run = promisify(execFile);

type Asked = { readonly version: string } | { readonly problem: string };

async function ask(path: string): Promise<Asked> {
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

/** `DIR/<version>/firecracker`, or `DIR/<version>/<arch>/firecracker`. */
async function binaryIn(directory: string): Promise<string | undefined> {
  const candidates = [NAME, ...ARCHITECTURES.map((arch) => join(arch, NAME))];
  for (const candidate of candidates) {
    const path = join(directory, candidate);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

/** Looks into the directory; throws where it cannot be read. */
export async function findFirecrackers(directory: string): Promise<Installed> {
  const names = (await readdir(directory)).toSorted(compareText);
  const binaries = await Promise.all(names.map((name) => binaryIn(join(directory, name))));
  const asked = await Promise.all(
    binaries.flatMap((path) => (path === undefined ? [] : [ask(path)])),
  );
  const versions = asked.flatMap((a) => ("version" in a ? [a.version] : []));
  return {
    versions: [...new Set(versions)].toSorted((a, b) =>
      a.localeCompare(b, "en", { numeric: true }),
    ),
    problems: asked.flatMap((a) => ("problem" in a ? [a.problem] : [])),
  };
}
