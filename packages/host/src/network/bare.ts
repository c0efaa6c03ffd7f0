/** A network namespace with nothing in it, for a VMM whose guest has no network. */
import { namespacePath } from "./namespaces.ts";
import { runTool } from "./run.ts";

export async function makeBareNamespace(tag: string, slot: number): Promise<string> {
  const path = namespacePath(tag, slot);
  await runTool(["ip", "netns", "add", path.slice(path.lastIndexOf("/") + 1)]);
  return path;
}
