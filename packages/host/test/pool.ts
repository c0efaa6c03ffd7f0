/** The pool of the bug report this project began with, and its plan, in memory and on disk. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  formatTemplate,
  parseJson,
  planPool,
  planToJson,
  prettyJson,
  readProfile,
  type NodeProfile,
} from "@evenkeel/core";
import { onTestFinished } from "vitest";

const EXAMPLES = fileURLToPath(new URL("../../../examples/bug-report-pool", import.meta.url));

export const CASCADE_LAKE_FILE = join(EXAMPLES, "xeon-silver-4216.json");
export const ICE_LAKE_FILE = join(EXAMPLES, "xeon-silver-4314.json");

function profileOf(file: string): NodeProfile {
  return readProfile(parseJson(readFileSync(file, "utf8")), "node");
}

export const cascadeLake = profileOf(CASCADE_LAKE_FILE);
export const iceLake = profileOf(ICE_LAKE_FILE);

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-host-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The pool's plan as `evenkeel plan --out` writes it: paths to texts. */
export function planFiles(): ReadonlyMap<string, string> {
  const result = planPool([cascadeLake, iceLake]);
  if (!result.ok) throw new Error("the example pool has a plan");
  const { plan } = result;
  return new Map([
    ["plan.json", prettyJson(planToJson(plan))],
    ...plan.classes.map(({ file, template }) => [file, formatTemplate(template)] as const),
  ]);
}

export function writePlan(directory: string): void {
  for (const [path, text] of planFiles()) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
}
