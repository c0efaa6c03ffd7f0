/** What a release is made of: CycloneDX 1.5, with the digests of the lockfile. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { BuildInfo } from "./build-info.ts";
import { EXTERNAL } from "./bundle.ts";
import { componentsIn } from "./licences.ts";
import { ROOT } from "./own-files.ts";

interface LockedPackage {
  readonly version: string;
  /** `sha512-…`, base64, of the package's tarball. */
  readonly integrity?: string;
}

function locked(): Readonly<Record<string, LockedPackage>> {
  const text = readFileSync(join(ROOT, "package-lock.json"), "utf8");
  return (JSON.parse(text) as { packages: Record<string, LockedPackage> }).packages;
}

function hashes(integrity: string | undefined): object {
  const [algorithm, base64 = ""] = integrity?.split("-", 2) ?? [];
  if (algorithm !== "sha512") return {};
  return { hashes: [{ alg: "SHA-512", content: Buffer.from(base64, "base64").toString("hex") }] };
}

/** `%40scope/name`, as package URLs have scopes. */
const purl = (name: string, version: string) => `pkg:npm/${name.replace("@", "%40")}@${version}`;

function componentOf(folder: string, packages: ReturnType<typeof locked>): object {
  const [component] = componentsIn([folder]);
  if (component === undefined) throw new Error(`${folder} is no package`);
  const { name, version, license } = component;
  const entry = packages[relative(ROOT, folder)];
  if (entry?.version !== version) throw new Error(`${name} ${version} is not in the lockfile`);
  return {
    type: "library",
    "bom-ref": purl(name, version),
    name,
    version,
    licenses: [{ expression: license }],
    purl: purl(name, version),
    ...hashes(entry.integrity),
  };
}

/** Node.js and what it holds, for artifacts that are one. */
export interface Runtime {
  readonly version: string;
  readonly sha256: string;
}

function runtimeOf({ version, sha256 }: Runtime): object {
  return {
    type: "application",
    "bom-ref": `pkg:generic/node@${version}`,
    name: "node",
    version,
    licenses: [{ expression: "MIT" }],
    purl: `pkg:generic/node@${version}`,
    hashes: [{ alg: "SHA-256", content: sha256 }],
  };
}

/** `folders`: of the packages in the bundles; what stays outside of them is added. */
export function bomText(
  folders: readonly string[],
  runtime: Runtime | undefined,
  { version, commit, epoch }: BuildInfo,
): string {
  const packages = locked();
  const outside = EXTERNAL.map((name) => join(ROOT, "node_modules", name));
  const all = [...new Set([...folders, ...outside])].filter((folder) =>
    existsSync(join(folder, "package.json")),
  );
  const components = [
    ...all.toSorted().map((folder) => componentOf(folder, packages)),
    ...(runtime === undefined ? [] : [runtimeOf(runtime)]),
  ];
  const serial = createHash("sha256")
    .update(`${commit}${JSON.stringify(components)}`)
    .digest("hex");
  const bom = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    // Of what is in it, so that the same release has the same one.
    serialNumber: `urn:uuid:${serial.slice(0, 8)}-${serial.slice(8, 12)}-8${serial.slice(13, 16)}-8${serial.slice(17, 20)}-${serial.slice(20, 32)}`,
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": `pkg:npm/evenkeel@${version}`,
        name: "evenkeel",
        version,
        licenses: [{ expression: "Apache-2.0" }],
        purl: `pkg:npm/evenkeel@${version}`,
      },
    },
    components,
  };
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}
