/** Paths as a VMM is told them. */
import { isAbsolute, relative } from "node:path";

/**
 * A VMM runs in the microVM's directory and keeps paths in snapshots as they were given: a file in
 * that directory is named relative to it, so that a snapshot can be loaded in another.
 */
export function pathIn(directory: string, path: string): string {
  const inside = relative(directory, path);
  return inside === "" || inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}
