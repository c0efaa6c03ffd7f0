/** Reading small files that operators name. */
import { readFileSync } from "node:fs";
import { HostError } from "./errors.ts";

/** A file's text; undefined where there is none. Throws UNREADABLE_FILE. */
export function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new HostError("UNREADABLE_FILE", `${path}: ${code}`, { cause: error });
  }
}
