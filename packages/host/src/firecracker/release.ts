/**
 * Which release a Firecracker binary is: the binary is asked, because its directory's name may be
 * wrong.
 */
import { execFileSync } from "node:child_process";
import { does, knownLine, snapshotFormat } from "@evenkeel/core";
import { HostError } from "../errors.ts";

const TIMEOUT_MS = 10_000;

function ask(binary: string, flag: string): string {
  try {
    return execFileSync(binary, [flag], {
      encoding: "utf8",
      timeout: TIMEOUT_MS,
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string };
    throw new HostError("NOT_FIRECRACKER", `${binary}: ${code ?? stderr ?? "cannot be run"}`, {
      cause: error,
    });
  }
}

/** The version that a Firecracker binary reports, such as `1.14.1`. Throws NOT_FIRECRACKER. */
export function versionOf(binary: string): string {
  const said = ask(binary, "--version");
  const version = /^Firecracker v(\d+\.\d+\.\d+\S*)/m.exec(said)?.[1];
  if (version !== undefined) return version;
  throw new HostError("NOT_FIRECRACKER", `${binary} --version says: ${said.slice(0, 100)}`);
}

/**
 * The version that a jailer reports, which is its Firecracker's release. Undefined if it is not a
 * jailer.
 */
export function jailerVersionOf(binary: string): string | undefined {
  return /^Jailer v(\d+\.\d+\.\d+\S*)/m.exec(ask(binary, "--version"))?.[1];
}

/** Major and minor: E2B calls its build of 1.14.1 `1.14.1_431f1fc`. */
function lineIn(version: string): string | undefined {
  return /^v?(\d+\.\d+)(?!\d)/.exec(version)?.[1];
}

/**
 * Checks that a binary has the version its directory is named after, because contracts name that
 * version's snapshot format. Throws NOT_FIRECRACKER, WRONG_FIRECRACKER, and UNKNOWN_VERSION.
 */
export function checkRelease(binary: string, version: string): void {
  const line = knownLine(version);
  const own = versionOf(binary);
  if (lineIn(own) !== lineIn(version)) {
    const message = `${binary} is Firecracker ${own}, not ${version}`;
    throw new HostError("WRONG_FIRECRACKER", message);
  }
  const format = snapshotFormat(version);
  if (format === undefined || !does(line, "names-format")) return;
  // The rest of the output is Firecracker's log, which goes to standard output too.
  const [said = ""] = ask(binary, "--snapshot-version").split("\n");
  if (said.trim() === `v${format}`) return;
  throw new HostError(
    "WRONG_FIRECRACKER",
    `${binary} writes snapshot format ${said.slice(0, 100)}, but Firecracker ${version} should write v${format}`,
  );
}
