/** Directories, one by one. */
import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a directory and its missing parents. Node's own `recursive` loops forever on a file system,
 * such as /proc, that says that the directory just made does not exist.
 */
export function makeDirectories(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); statSync(at, { throwIfNoEntry: false }) === undefined;) {
    missing.unshift(at);
    at = dirname(at);
  }
  for (const directory of missing) {
    try {
      mkdirSync(directory);
    } catch (error) {
      // Another process was faster.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
