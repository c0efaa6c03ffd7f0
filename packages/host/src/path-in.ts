/** Paths as passed to a VMM. */
import { isAbsolute, relative } from "node:path";

/**
 * A VMM runs in the microVM's directory and stores paths in snapshots as given. So a file in that
 * directory is named relative to it, and the snapshot can be loaded in another directory.
 */
export function pathIn(directory: string, path: string): string {
  const inside = relative(directory, path);
  return inside === "" || inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}
