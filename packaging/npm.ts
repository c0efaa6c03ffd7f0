/** The npm package: `evenkeel`, made from the workspaces, which stay private. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RolldownOutput } from "rolldown";
import { rootPackage, type BuildInfo } from "./build-info.ts";
import { bundleCommand, bundledFolders, bundleLibrary, EXTERNAL } from "./bundle.ts";
import { componentsIn, licencesText } from "./licences.ts";
import { PAGE_FILES, ROOT } from "./own-files.ts";

const BIN = `#!/usr/bin/env node
require("../dist/start.js");
`;

function installed(name: string): string {
  const path = join(ROOT, "node_modules", name, "package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

function manifest({ version }: BuildInfo): object {
  const { license, engines } = rootPackage();
  return {
    name: "evenkeel",
    version,
    description: "One guest CPU for a mixed-CPU fleet: Firecracker snapshots resume on any node.",
    keywords: ["firecracker", "cpuid", "cpu-template", "snapshot", "microvm", "kvm"],
    license,
    // Node.js starts CommonJS in less time; lib/ is all ES modules.
    type: "commonjs",
    bin: { evenkeel: "bin/evenkeel.js" },
    exports: {
      ".": { types: "./lib/types/index.d.ts", default: "./lib/index.js" },
      "./package.json": "./package.json",
    },
    sideEffects: false,
    engines,
    dependencies: Object.fromEntries(EXTERNAL.map((name) => [name, installed(name)])),
  };
}

/** Types as the compiler wrote them, without the maps to sources that are not here. */
function copyTypes(target: string): void {
  const built = join(ROOT, "packages/core/dist");
  cpSync(built, target, {
    recursive: true,
    filter: (path) => !/\.(?:js|map|tsbuildinfo)$/.test(path),
  });
}

/** Writes the package's folder. */
export async function writeNpmPackage(directory: string, info: BuildInfo): Promise<RolldownOutput> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(join(directory, "bin"), { recursive: true });
  const output = await bundleCommand(join(directory, "dist"), info);
  await bundleLibrary(join(directory, "lib"));
  copyTypes(join(directory, "lib/types"));
  writeFileSync(join(directory, "lib/package.json"), '{ "type": "module" }\n');
  cpSync(join(ROOT, "packages/host/launcher/launcher.pl"), join(directory, "dist/launcher.pl"));
  cpSync(join(ROOT, "packages/agent/worker/sha256.mjs"), join(directory, "dist/sha256.mjs"));
  for (const file of PAGE_FILES) {
    cpSync(join(ROOT, "packages/web/assets", file), join(directory, "dist", file));
  }
  cpSync(join(ROOT, "examples"), join(directory, "examples"), { recursive: true });
  for (const file of ["LICENSE", "CHANGELOG.md"]) cpSync(join(ROOT, file), join(directory, file));
  cpSync(join(ROOT, "packaging/README.npm.md"), join(directory, "README.md"));
  const licences = licencesText(componentsIn(bundledFolders(output)));
  writeFileSync(join(directory, "THIRD-PARTY-LICENSES"), licences);
  writeFileSync(join(directory, "bin/evenkeel.js"), BIN, { mode: 0o755 });
  writeFileSync(join(directory, "package.json"), `${JSON.stringify(manifest(info), null, 2)}\n`);
  return output;
}

/** The tarball's path. */
export function pack(directory: string, destination: string): string {
  mkdirSync(destination, { recursive: true });
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", destination];
  const told = execFileSync("npm", args, { cwd: directory, encoding: "utf8" });
  const [{ filename } = { filename: "" }] = JSON.parse(told) as { filename: string }[];
  return join(destination, filename);
}
