/**
 * Makes what is released, into .build/: `npm run package -- [npm] [x64] [arm64]`. What was made is
 * in SHA256SUMS, and what it is made of in evenkeel-VERSION.cdx.json.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { buildInfo } from "./build-info.ts";
import { bundledFolders } from "./bundle.ts";
import { buildDebianPackage } from "./debian/package.ts";
import { buildExecutable } from "./executable/build.ts";
import { nodeRuntime, type Arch } from "./executable/node.ts";
import { componentsIn, licencesText } from "./licences.ts";
import { pack, writeNpmPackage } from "./npm.ts";
import { buildImage, tarOf } from "./oci.ts";
import { ROOT } from "./own-files.ts";
import { bomText } from "./sbom.ts";

const build = join(ROOT, ".build");
const downloads = join(build, "downloads");
const info = buildInfo();
const asked = process.argv.slice(2);
const wants = (what: string) => asked.length === 0 || asked.includes(what);
const artifacts: string[] = [];
const folders = new Set<string>();

function imageOf(executable: string): string {
  const layout = join(build, "oci");
  buildImage(executable, layout, info);
  const archive = join(build, `evenkeel-${info.version}-oci-amd64.tar`);
  writeFileSync(archive, tarOf(layout, info.epoch));
  return archive;
}

async function makeExecutable(arch: Arch): Promise<void> {
  const { path, outputs } = await buildExecutable(arch, build, downloads, info);
  const own = [...new Set(outputs.flatMap(bundledFolders))];
  for (const folder of own) folders.add(folder);
  const licences = licencesText(componentsIn(own));
  artifacts.push(path, buildDebianPackage(path, arch, build, info, licences));
  if (arch === "x64") artifacts.push(imageOf(path));
}

if (wants("npm")) {
  const folder = join(build, "npm");
  const output = await writeNpmPackage(folder, info);
  for (const one of bundledFolders(output)) folders.add(one);
  artifacts.push(pack(folder, build));
}
for (const arch of ["x64", "arm64"] as const) if (wants(arch)) await makeExecutable(arch);

const bom = join(build, `evenkeel-${info.version}.cdx.json`);
const runtime = wants("x64") ? nodeRuntime("x64") : undefined;
writeFileSync(bom, bomText([...folders], runtime, info));
const sums = [...artifacts, bom].map((path) => {
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
  return `${digest}  ${basename(path)}\n`;
});
writeFileSync(join(build, "SHA256SUMS"), sums.join(""));
execFileSync("sha256sum", ["-c", "--quiet", "SHA256SUMS"], { cwd: build, stdio: "inherit" });
process.stdout.write(sums.join(""));
