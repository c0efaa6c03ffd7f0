/**
 * A container image as an OCI layout, of nothing but the executable and the libraries that it
 * links to, which are this machine's: build it on the Debian whose glibc it is to have.
 * https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { BuildInfo } from "./build-info.ts";

const ARCHITECTURE = "amd64";

/** By the path at which the executable's loader looks: the file that is there on this machine. */
function librariesOf(executable: string): Map<string, string> {
  const told = execFileSync("ldd", [executable], { encoding: "utf8" });
  const paths = [...told.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = ""]) => path);
  return new Map(paths.map((path) => [path, realpathSync(path)]));
}

/** Users by name: the agent's is root; the server's has no rights. */
const ETC = {
  passwd: "root:x:0:0:root:/:/sbin/nologin\nevenkeel:x:65532:65532:evenkeel:/:/sbin/nologin\n",
  group: "root:x:0:\nevenkeel:x:65532:\n",
  "nsswitch.conf": "hosts: files dns\n",
} as const;

function writeRoot(root: string, executable: string): void {
  for (const directory of ["etc", "usr/bin", "tmp", "var/lib", "run", "dev"]) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  copyFileSync(executable, join(root, "usr/bin/evenkeel"));
  for (const [path, file] of librariesOf(executable)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    copyFileSync(file, join(root, path));
  }
  for (const [name, text] of Object.entries(ETC)) writeFileSync(join(root, "etc", name), text);
}

/** The same bytes for the same files, whoever builds it and when. */
export function tarOf(root: string, epoch: number): Buffer {
  const same = ["--sort=name", `--mtime=@${epoch}`, "--owner=0", "--group=0", "--numeric-owner"];
  const modes = ["--mode=u=rwX,go=rX", "--format=gnu"];
  return execFileSync("tar", [...same, ...modes, "-C", root, "-cf", "-", "."], {
    maxBuffer: 1 << 30,
  });
}

const sha256 = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

function blobWriter(layout: string) {
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  return (mediaType: string, content: Buffer | object): Descriptor => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    const digest = sha256(bytes);
    writeFileSync(join(layout, "blobs/sha256", digest), bytes);
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  };
}

const TYPE = "application/vnd.oci.image";

function configuration({ version, commit, epoch }: BuildInfo, tar: Buffer): object {
  const created = new Date(epoch * 1000).toISOString();
  return {
    created,
    architecture: ARCHITECTURE,
    os: "linux",
    config: {
      Entrypoint: ["/usr/bin/evenkeel"],
      Cmd: ["--help"],
      Env: ["PATH=/usr/bin"],
      WorkingDir: "/",
      Labels: {
        "org.opencontainers.image.title": "evenkeel",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": commit,
        "org.opencontainers.image.licenses": "Apache-2.0",
      },
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(tar)}`] },
    history: [{ created, created_by: "evenkeel packaging/oci.ts" }],
  };
}

/** Writes the layout's directory anew, for `skopeo copy oci:DIRECTORY:VERSION …`. */
export function buildImage(executable: string, layout: string, info: BuildInfo): void {
  rmSync(layout, { recursive: true, force: true });
  const root = mkdtempSync(join(tmpdir(), "evenkeel-image-"));
  try {
    writeRoot(root, executable);
    const tar = tarOf(root, info.epoch);
    const blob = blobWriter(layout);
    const layer = blob(`${TYPE}.layer.v1.tar+gzip`, gzipSync(tar, { level: 6 }));
    const config = blob(`${TYPE}.config.v1+json`, configuration(info, tar));
    const manifest = blob(`${TYPE}.manifest.v1+json`, {
      schemaVersion: 2,
      mediaType: `${TYPE}.manifest.v1+json`,
      config,
      layers: [layer],
    });
    const annotations = { "org.opencontainers.image.ref.name": info.version };
    const platform = { architecture: ARCHITECTURE, os: "linux" };
    const index = { schemaVersion: 2, manifests: [{ ...manifest, platform, annotations }] };
    writeFileSync(join(layout, "index.json"), `${JSON.stringify(index)}\n`);
    writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}\n');
  } finally {
    rmSync(root, { recursive: true });
  }
}
