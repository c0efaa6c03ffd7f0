/** Makes what is released, into .build/: `npm run package -- [npm] [x64] [arm64]` */
import { join } from "node:path";
import { buildInfo } from "./build-info.ts";
import { bundledFolders } from "./bundle.ts";
import { buildDebianPackage } from "./debian/package.ts";
import { buildExecutable } from "./executable/build.ts";
import { componentsIn, licencesText } from "./licences.ts";
import { pack, writeNpmPackage } from "./npm.ts";
import { ROOT } from "./own-files.ts";

const build = join(ROOT, ".build");
const downloads = join(build, "downloads");
const info = buildInfo();
const asked = process.argv.slice(2);
const wants = (what: string) => asked.length === 0 || asked.includes(what);

if (wants("npm")) {
  const folder = join(build, "npm");
  await writeNpmPackage(folder, info);
  process.stdout.write(`${pack(folder, build)}\n`);
}
for (const arch of ["x64", "arm64"] as const) {
  if (!wants(arch)) continue;
  const { path, sha256, outputs } = await buildExecutable(arch, build, downloads, info);
  process.stdout.write(`${sha256}  ${path}\n`);
  const folders = [...new Set(outputs.flatMap(bundledFolders))];
  const licences = licencesText(componentsIn(folders));
  process.stdout.write(`${buildDebianPackage(path, arch, build, info, licences)}\n`);
}
