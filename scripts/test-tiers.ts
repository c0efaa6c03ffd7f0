/**
 * The tier of each test file, by what it imports: `unit` needs nothing but Node and seconds;
 * `thorough` needs only Node, but minutes, or modules of its own; `process` starts programs, opens KVM or sockets;
 * `emulated` runs machines in QEMU.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export const TIERS = ["unit", "thorough", "process", "emulated"] as const;
export type Tier = (typeof TIERS)[number];

/** Long property tests, and those over all real fingerprints. */
const THOROUGH = new Set([
  "packages/agent/test/one-answer.test.ts",
  "packages/api/test/schemas.test.ts",
  "packages/cli/test/comparison.test.ts",
  "packages/core/test/arm.test.ts",
  "packages/core/test/catalogue.test.ts",
  "packages/core/test/change.test.ts",
  "packages/core/test/contract-real.test.ts",
  "packages/core/test/drift.test.ts",
  "packages/core/test/emulator.test.ts",
  "packages/core/test/enforcement.test.ts",
  "packages/core/test/entries.test.ts",
  "packages/core/test/fuzz.test.ts",
  "packages/core/test/plan-properties.test.ts",
  "packages/core/test/plan-real.test.ts",
  "packages/core/test/schemas.test.ts",
  "packages/core/test/second-opinion.test.ts",
  "packages/core/test/shaping.test.ts",
  "packages/core/test/soundness.test.ts",
  "packages/core/test/verdict-real.test.ts",
  "packages/core/test/verdict.test.ts",
  "packages/isa/test/crash-hostile.test.ts",
  "packages/isa/test/short.test.ts",
]);

const EMULATED = /qemuDriver|runNested|runArmMachine|runLab\b|qemu-system|evenkeel\(\["lab"/;
const PROCESS =
  /node:child_process|"@evenkeel\/firecracker-double|\.\/run\.ts"|kvm-support|withKvm|playwright-core|createServer|\bfetch\(|findKernel/;

/** Unit tests share their modules (vitest's `isolate: false`); one that replaces a module cannot. */
const REPLACES_MODULES = /^vi\.mock\(/m;

const IMPORT = /(?:from|import\() ?"(\.{1,2}\/[^"]+)"/g;

/** The text of a test, and of the helpers beside it that it imports. */
function textOf(file: string, seen: Set<string>): string {
  if (seen.has(file) || !existsSync(file)) return "";
  seen.add(file);
  const text = readFileSync(file, "utf8");
  const helpers = [...text.matchAll(IMPORT)]
    .map(([, path = ""]) => join(dirname(file), path))
    .filter((path) => !path.includes("/src/"));
  return [text, ...helpers.map((path) => textOf(path, seen))].join("\n");
}

function tierOf(root: string, file: string): Tier {
  const text = textOf(join(root, file), new Set());
  if (EMULATED.test(text)) return "emulated";
  if (THOROUGH.has(file)) return "thorough";
  if (!PROCESS.test(text) && REPLACES_MODULES.test(text)) return "thorough";
  return PROCESS.test(text) || file.startsWith("packaging/") ? "process" : "unit";
}

function testFiles(root: string): string[] {
  const packages = readdirSync(join(root, "packages")).map((name) => `packages/${name}`);
  return [...packages, "packaging"]
    .map((folder) => `${folder}/test`)
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".test.ts"))
        .map((name) => `${folder}/${name}`),
    )
    .toSorted();
}

/** Every test file once, under its tier; paths are relative to the root. */
export function testTiers(root: string): Readonly<Record<Tier, readonly string[]>> {
  const tiers: Record<Tier, string[]> = { unit: [], thorough: [], process: [], emulated: [] };
  for (const file of testFiles(root)) tiers[tierOf(root, file)].push(file);
  return tiers;
}
