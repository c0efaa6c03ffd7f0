/** The Node.js that becomes the executable, from npm; by its digest, whoever serves it. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

export type Arch = "x64" | "arm64";

const NODE_VERSION = "24.21.0";
const SHA256: Readonly<Record<Arch, string>> = {
  x64: "7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c",
  arm64: "0f8949d1028f6d61506b2d5bc57e7e6fe893d7b1997509b7847294fc9c616584",
};

/** What is inside the executable, for its bill of materials. */
export function nodeRuntime(arch: Arch): { readonly version: string; readonly sha256: string } {
  return { version: NODE_VERSION, sha256: SHA256[arch] };
}

/** Unpacks a package from npm; its install scripts do not run. */
export function unpackFromNpm(name: string, version: string, directory: string): string {
  const target = join(directory, `${name.replace("/", "+")}-${version}`);
  const folder = join(target, "package");
  if (existsSync(folder)) return folder;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const args = ["pack", "--ignore-scripts", "--silent", "--pack-destination", target];
  execFileSync("npm", [...args, `${name}@${version}`], { stdio: ["ignore", "ignore", "inherit"] });
  const tarball = readdirSync(target).find((file) => file.endsWith(".tgz")) ?? "";
  execFileSync("tar", ["-xzf", join(target, tarball), "-C", target]);
  rmSync(join(target, tarball));
  return folder;
}

/** The binary's path. Throws where it is not the one that is expected. */
export function nodeFor(arch: Arch, directory: string): string {
  const path = join(unpackFromNpm(`node-linux-${arch}`, NODE_VERSION, directory), "bin/node");
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
  if (digest !== SHA256[arch]) throw new Error(`${path}: its SHA-256 is ${digest}`);
  return path;
}
