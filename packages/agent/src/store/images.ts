/** Kernels and images of the node, by name: a request never says a path. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { requireKernel } from "@evenkeel/host";
import { AgentError, messageOf } from "../errors.ts";

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** `<kernels>/<name>/<arch>/vmlinux.bin`, else `<kernels>/<name>/vmlinux.bin`. */
export function findKernel(directory: string, name: string): string {
  try {
    return requireKernel({ HOST_KERNELS_DIR: directory }, name);
  } catch (cause) {
    throw new AgentError("NO_SUCH_IMAGE", messageOf(cause), { cause });
  }
}

export async function findImage(directory: string, name: string): Promise<string> {
  const place = join(directory, name);
  if (await isFile(place)) return place;
  throw new AgentError("NO_SUCH_IMAGE", `no image "${name}" (${place})`);
}
