/** The command's scripts and those of two threads, which find everything in the executable. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown, type Plugin, type RolldownOutput } from "rolldown";
import type { BuildInfo } from "../build-info.ts";
import { buildDefine, CODE_SPLITTING, CONDITIONS, lazyChildren } from "../bundle.ts";
import { ownFiles, ROOT, type Rewrites } from "../own-files.ts";
import { WRAPPER } from "./scripts.ts";
import { GUARD_WORD } from "./words.ts";

const asset = (name: string) => JSON.stringify(name.replace(/^.*\//, ""));

const INSIDE: Rewrites = {
  text: (_, name) => `ownText(${asset(name)})`,
  program: () => JSON.stringify(GUARD_WORD),
  url: (_, name) => `ownThread(${asset(name)})`,
};

const ASSETS = JSON.stringify(join(ROOT, "packaging/executable/assets.ts"));

/** iced-x86 reads its WebAssembly beside itself. */
const WASM_READ = /const path = [^;]*iced_x86_bg\.wasm'\);\s*const bytes = [^;]*;/;
const WASM_ASSET = "const bytes = require('node:sea').getRawAsset('iced_x86_bg.wasm');";

const wasmInside: Plugin = {
  name: "evenkeel-wasm-inside",
  transform(code, id) {
    if (!id.endsWith("/iced_x86.js")) return null;
    if (!WASM_READ.test(code)) throw new Error("iced-x86 reads its WebAssembly otherwise now");
    return code.replace(WASM_READ, WASM_ASSET);
  },
};

const OPTIONS = {
  cwd: ROOT,
  platform: "node",
  resolve: {
    conditionNames: CONDITIONS,
    alias: {
      koffi: join(ROOT, "packaging/executable/koffi.ts"),
      "@electric-sql/pglite": join(ROOT, "packaging/executable/pglite.ts"),
    },
  },
  // Where a thread's code is in the source is of no interest here.
  checks: { emptyImportMeta: false },
} as const;

const OUTPUT = {
  format: "cjs",
  // Node.js runs that one from a directory whose scripts are modules.
  entryFileNames: ({ name }: { name: string }) => (name === "warm" ? WARM : `${name}.js`),
  chunkFileNames: "[name]-[hash].js",
  minify: { compress: true, mangle: false, codegen: true },
} as const;

async function rolled(
  input: Readonly<Record<string, string>>,
  directory: string,
  info: BuildInfo,
  codeSplitting: typeof SPLITTING | false = false,
): Promise<RolldownOutput> {
  const bundle = await rolldown({
    ...OPTIONS,
    input: Object.fromEntries(
      Object.entries(input).map(([name, path]) => [name, join(ROOT, path)]),
    ),
    transform: { define: buildDefine(info, "executable") },
    plugins: [
      ownFiles(INSIDE, `import { ownText, ownThread } from ${ASSETS};\n`),
      wasmInside,
      lazyChildren,
    ],
  });
  return bundle.write({ ...OUTPUT, dir: directory, codeSplitting });
}

/** Node.js starts this one; it loads the scripts. */
export const MAIN = "main.js";
/** Run at the build only. */
export const WARM = "warm.cjs";
/** The command's scripts are in a directory of their own. */
export const SCRIPTS = "scripts";
/** Threads' scripts inside, by the name under which they are asked for. */
export const THREADS = { "scan-worker.js": "scan-worker.js", "sha256.mjs": "sha256.js" } as const;

const ENTRIES = {
  command: "packages/cli/src/main.ts",
  guard: "packages/host/src/guard/main.ts",
} as const;

/** What finds files inside is small, and must not bring in a large part that uses it, too. */
const SPLITTING = {
  groups: [
    { name: "inside", test: /packaging\/executable\/assets\.ts$/, priority: 2 },
    ...CODE_SPLITTING.groups,
  ],
};

/** Inside strings, templates and expressions alike. */
function asciiOnly(code: string): string {
  return code.replaceAll(
    /[^\0-\x7F]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** In the form that scripts.ts reads. */
function wrap(directory: string): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    writeFileSync(path, WRAPPER.join(asciiOnly(readFileSync(path, "utf8"))));
  }
}

export async function bundleExecutable(
  directory: string,
  info: BuildInfo,
): Promise<RolldownOutput[]> {
  const scripts = join(directory, SCRIPTS);
  const command = await rolled(ENTRIES, scripts, info, SPLITTING);
  wrap(scripts);
  const one = (name: string, source: string) => rolled({ [name]: source }, directory, info);
  return [
    command,
    await one("main", "packaging/executable/main.ts"),
    await one("warm", "packaging/executable/warm.ts"),
    await one("scan-worker", "packages/isa/src/scan/worker.ts"),
    await one("sha256", "packages/agent/worker/sha256.mjs"),
  ];
}
