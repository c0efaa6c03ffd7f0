/** Running the system's own tools: iproute2, nftables, util-linux. */
import { execFile } from "node:child_process";
import { HostError, type HostErrorCode } from "../errors.ts";

const TIMEOUT_MS = 20_000;

/**
 * Runs a program with a text on its standard input, without a shell; settles with what it printed.
 * Throws the given error with the program's own words.
 */
export function runTool(
  command: readonly string[],
  input = "",
  code: HostErrorCode = "NETWORK_FAILED",
): Promise<string> {
  const [program = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const words = stderr.trim() === "" ? error.message : stderr.trim();
      return reject(new HostError(code, `${command.join(" ")}: ${words}`, { cause: error }));
    });
    // A program that exits before it has read everything reports why through its exit code.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}
