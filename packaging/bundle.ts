/** The command as a few JavaScript files, and the library as one. */
import { rolldown, type OutputChunk, type Plugin, type RolldownOutput } from "rolldown";
import { join } from "node:path";
import { programOf } from "../packages/cli/src/program.ts";
import type { BuildInfo } from "./build-info.ts";
import { BESIDE, ownFiles, ROOT } from "./own-files.ts";

/** What npm installs beside the bundle: native code and WebAssembly, which do not bundle. */
export const EXTERNAL = ["koffi", "iced-x86", "@electric-sql/pglite"] as const;

/** Whether it is imported or required is rolldown's to say: pg requires what has a class as its export. */
export const CONDITIONS = ["@evenkeel/source", "node"];

const ENTRIES = {
  start: "packages/cli/src/start.ts",
  guard: "packages/host/src/guard/main.ts",
  "scan-worker": "packages/isa/src/scan/worker.ts",
} as const;

/** What `evenkeel --help` prints. */
export function helpText(): string {
  return programOf(() => undefined).helpInformation();
}

/** `EVENKEEL_BUILD` in packages/cli/src/version.ts, and `EVENKEEL_HELP` in its quick.ts. */
export function buildDefine(info: BuildInfo, kind: "npm" | "executable"): Record<string, string> {
  const { version, commit } = info;
  return {
    EVENKEEL_BUILD: JSON.stringify({ version, commit, kind }),
    EVENKEEL_HELP: JSON.stringify(helpText()),
  };
}

/**
 * Core and isa in a file each, but for Firecracker's releases: `--help` of each command names
 * them, and is quick.
 */
export const CODE_SPLITTING = {
  groups: [
    {
      name: "releases",
      test: /packages\/core\/src\/(?:tables\/release(?:s|-rows)|errors|remember)\.ts$/,
      priority: 1,
    },
    ...["core", "isa"].map((name) => ({ name, test: new RegExp(`packages/${name}/src/`) })),
  ],
};

const CHILDREN = "const childProcess = require('node:child_process');";
const LAZY_CHILDREN =
  "const childProcess = { spawn: (...args) => require('node:child_process').spawn(...args) };";

/** commander loads what it needs for commands that are programs of their own; there are none. */
export const lazyChildren: Plugin = {
  name: "evenkeel-lazy-children",
  transform(code, id) {
    if (!id.endsWith("/commander/lib/command.js")) return null;
    if (!code.includes(CHILDREN)) throw new Error("commander starts programs otherwise now");
    return code.replace(CHILDREN, LAZY_CHILDREN);
  },
};

/** The npm modules in a bundle, by the folder they come from. */
export function bundledFolders(output: RolldownOutput): string[] {
  const chunks = output.output.filter((item): item is OutputChunk => item.type === "chunk");
  const folders = chunks.flatMap(({ moduleIds }) =>
    moduleIds.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []),
  );
  return [...new Set(folders)].toSorted();
}

/** Writes the command's files into `directory`. */
export async function bundleCommand(directory: string, info: BuildInfo): Promise<RolldownOutput> {
  const input = Object.fromEntries(
    Object.entries(ENTRIES).map(([name, path]) => [name, join(ROOT, path)]),
  );
  const bundle = await rolldown({
    cwd: ROOT,
    input,
    external: [...EXTERNAL],
    platform: "node",
    resolve: { conditionNames: CONDITIONS },
    transform: { define: buildDefine(info, "npm") },
    plugins: [ownFiles(BESIDE), lazyChildren],
    // Where a thread's code is in the source is of no interest here.
    checks: { emptyImportMeta: false },
  });
  return bundle.write({
    dir: directory,
    format: "cjs",
    // Code that is kept compiled knows no `import()`; what is not bundled has CommonJS, too.
    dynamicImportInCjs: false,
    cleanDir: true,
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
    minify: { compress: true, mangle: false, codegen: true },
    codeSplitting: CODE_SPLITTING,
  });
}

/** `import { planPool, judge } from "evenkeel"`: core alone, for any JavaScript engine. */
export async function bundleLibrary(directory: string): Promise<RolldownOutput> {
  const bundle = await rolldown({
    cwd: ROOT,
    input: { index: join(ROOT, "packages/core/src/index.ts") },
    platform: "neutral",
    experimental: { attachDebugInfo: "none" },
    resolve: { conditionNames: CONDITIONS },
  });
  return bundle.write({ dir: directory, format: "esm", cleanDir: true });
}
