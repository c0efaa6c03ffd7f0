/** One executable: Node.js with the command's script and files inside. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { inject } from "postject";
import type { RolldownOutput } from "rolldown";
import type { BuildInfo } from "../build-info.ts";
import { PAGE_FILES, ROOT } from "../own-files.ts";
import { bundleExecutable, MAIN, SCRIPTS, THREADS, WARM } from "./bundle.ts";
import { nodeFor, unpackFromNpm, type Arch } from "./node.ts";

/** Node.js looks for this text to know whether it has something inside. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

function koffiVersion(): string {
  const path = join(ROOT, "node_modules/koffi/package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

const EXAMPLES = ["xeon-silver-4216.json", "xeon-silver-4314.json"].map(
  (name) => [name, join(ROOT, "examples/bug-report-pool", name)] as const,
);

const PAGES = PAGE_FILES.map((name) => [name, join(ROOT, "packages/web/assets", name)] as const);

/** V8 draws the seed of its hashes, whose order is in the compiled code; this is no flag that it must be run with. */
const REPRODUCIBLE = ["--random-seed=1"];

/** Keeps beside each script what V8 compiles of it, which is for the architecture it runs on. */
function compile(work: string, downloads: string): void {
  const args = [...REPRODUCIBLE, join(work, WARM), join(work, SCRIPTS)];
  execFileSync(nodeFor("x64", downloads), args, { stdio: "pipe" });
}

/** Scripts, and what was compiled of them. */
function scriptsIn(work: string): Record<string, string> {
  const directory = join(work, SCRIPTS);
  const names = readdirSync(directory).toSorted();
  return Object.fromEntries(names.map((name) => [name, join(directory, name)]));
}

function assetsOf(arch: Arch, work: string, downloads: string): Record<string, string> {
  const koffi = unpackFromNpm(`@koromix/koffi-linux-${arch}`, koffiVersion(), downloads);
  return {
    ...Object.fromEntries(Object.entries(THREADS).map(([name, file]) => [name, join(work, file)])),
    ...Object.fromEntries([...EXAMPLES, ...PAGES]),
    "launcher.pl": join(ROOT, "packages/host/launcher/launcher.pl"),
    "iced_x86_bg.wasm": join(ROOT, "node_modules/iced-x86/iced_x86_bg.wasm"),
    "koffi.node": join(koffi, `linux_${arch}/koffi.node`),
  };
}

/** Node.js writes what goes inside. */
function writeBlob(assets: Record<string, string>, work: string, downloads: string): Buffer {
  const configuration = "configuration.json";
  const settings = {
    // Relative: the script's path goes inside, too.
    main: MAIN,
    output: "blob",
    assets,
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    // Of the scripts, which are nearly all, there is one where it helps.
    useCodeCache: false,
  };
  writeFileSync(join(work, configuration), JSON.stringify(settings));
  const node = nodeFor("x64", downloads);
  const args = [...REPRODUCIBLE, "--experimental-sea-config", configuration];
  execFileSync(node, args, { cwd: work, stdio: "pipe" });
  return readFileSync(join(work, settings.output));
}

export interface Executable {
  readonly path: string;
  readonly sha256: string;
  readonly outputs: readonly RolldownOutput[];
}

/** Writes `directory/evenkeel-linux-ARCH` and its digest beside it. */
export async function buildExecutable(
  arch: Arch,
  directory: string,
  downloads: string,
  info: BuildInfo,
): Promise<Executable> {
  const work = join(directory, `work-${arch}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const outputs = await bundleExecutable(work, info);
  if (arch === "x64") compile(work, downloads);
  const assets = { ...scriptsIn(work), ...assetsOf(arch, work, downloads) };
  const blob = writeBlob(assets, work, downloads);
  const path = join(directory, `evenkeel-linux-${arch}`);
  copyFileSync(nodeFor(arch, downloads), path);
  chmodSync(path, 0o755);
  await inject(path, "NODE_SEA_BLOB", blob, { sentinelFuse: FUSE });
  rmSync(work, { recursive: true });
  const sha256 = createHash("sha256").update(readFileSync(path)).digest("hex");
  writeFileSync(`${path}.sha256`, `${sha256}  ${basename(path)}\n`);
  return { path, sha256, outputs };
}
