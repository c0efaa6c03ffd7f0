/** Reading small files that operators name. */
import { readFileSync } from "node:fs";
import { HostError } from "./errors.ts";

/** Errors of a path that does not lead to a file. */
const NO_FILE = new Set(["ENOENT", "ENOTDIR", "EISDIR"]);

/** A file's text; undefined where there is none, or a directory. Throws UNREADABLE_FILE. */
export function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (NO_FILE.has(code)) return undefined;
    throw new HostError("UNREADABLE_FILE", `${path}: ${code}`, { cause: error });
  }
}
