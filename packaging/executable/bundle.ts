/** The command as one script and two threads' scripts, which find everything in the executable. */
import { join } from "node:path";
import { rolldown, type Plugin, type RolldownOutput } from "rolldown";
import type { BuildInfo } from "../build-info.ts";
import { buildDefine, CONDITIONS } from "../bundle.ts";
import { ownFiles, ROOT, type Rewrites } from "../own-files.ts";
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

async function bundleOne(
  source: string,
  directory: string,
  name: string,
  info: BuildInfo,
): Promise<RolldownOutput> {
  const bundle = await rolldown({
    cwd: ROOT,
    input: { [name]: join(ROOT, source) },
    platform: "node",
    resolve: {
      conditionNames: CONDITIONS,
      alias: {
        koffi: join(ROOT, "packaging/executable/koffi.ts"),
        "@electric-sql/pglite": join(ROOT, "packaging/executable/pglite.ts"),
      },
    },
    transform: { define: buildDefine(info, "executable") },
    // Where a thread's code is in the source is of no interest here.
    checks: { emptyImportMeta: false },
    plugins: [ownFiles(INSIDE, `import { ownText, ownThread } from ${ASSETS};\n`), wasmInside],
  });
  return bundle.write({
    dir: directory,
    format: "cjs",
    codeSplitting: false,
    entryFileNames: "[name].js",
    minify: { compress: true, mangle: false, codegen: true },
  });
}

export const MAIN = "main.js";
/** Scripts inside, by the name under which they are asked for. */
export const THREADS = { "scan-worker.js": "scan-worker.js", "sha256.mjs": "sha256.js" } as const;

export async function bundleExecutable(
  directory: string,
  info: BuildInfo,
): Promise<RolldownOutput[]> {
  return [
    await bundleOne("packaging/executable/main.ts", directory, "main", info),
    await bundleOne("packages/isa/src/scan/worker.ts", directory, "scan-worker", info),
    await bundleOne("packages/agent/worker/sha256.mjs", directory, "sha256", info),
  ];
}
