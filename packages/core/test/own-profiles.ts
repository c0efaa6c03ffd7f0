/** Profiles that the repository has of its own: measured ones, and the example pools. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { profileOf, readText, type NodeProfile } from "../src/index.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export const OWN_FOLDERS = [
  "packages/host/test/golden",
  "examples/bug-report-pool",
  "examples/intel-pool",
] as const;

/** Those of a folder, on nodes that have one Firecracker. */
export function profilesIn(folder: string, firecracker: string): NodeProfile[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(".json"))
    .map((name) => {
      const text = readFileSync(join(ROOT, folder, name), "utf8");
      const profile = profileOf(readText(text, { name: basename(name, ".json") }));
      return { ...profile, firecracker: [firecracker] };
    });
}
