/**
 * A Linux kernel for guests: given, the machine's own in /boot, or taken out of Debian's package
 * without installing it.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { access, constants, mkdir, mkdtemp, open, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { HostError } from "../errors.ts";

export interface KernelImage {
  readonly path: string;
  /** As the image names itself, e.g. `6.1.0-56-cloud-amd64`; undefined for an ELF kernel. */
  readonly release: string | undefined;
  /** The directory with its modules (`kernel/`, `modules.dep`), where there is one. */
  readonly modules: string | undefined;
}

export interface KernelSearch {
  /** A kernel the user named; then nothing else is considered. */
  readonly given?: string;
  /** Where kernels are installed. */
  readonly boot?: string;
  /** Where unpacked kernels are kept. */
  readonly cache?: string;
  /** Told what takes long. */
  readonly report?: (line: string) => void;
  readonly signal?: AbortSignal;
}

const run = promisify(execFile);

/** The small kernel for virtual machines: 27 MB to download. */
const META_PACKAGE = "linux-image-cloud-amd64";

/** Source: Linux Documentation/arch/x86/boot.rst: `header` at 0x202, `kernel_version` at 0x20e. */
const MAGIC_OFFSET = 0x202;
const VERSION_POINTER = 0x20e;
const SETUP_BASE = 0x200;
const HEAD_BYTES = 0x8000;

function releaseIn(head: Buffer): string | undefined {
  const at = head.readUInt16LE(VERSION_POINTER) + SETUP_BASE;
  const text = head.subarray(at, at + 256).toString("latin1");
  return /^[!-~]+/.exec(text)?.[0];
}

async function headOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The version in an image's header; throws BAD_KERNEL if it is not a kernel. */
async function readImage(path: string, modulesRoot: string): Promise<KernelImage> {
  let head: Buffer;
  try {
    head = await headOf(path);
  } catch (error) {
    throw new HostError("BAD_KERNEL", `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  const isElf = head.subarray(0, 4).equals(Buffer.from("\u007fELF", "latin1"));
  if (isElf) return { path, release: undefined, modules: undefined };
  if (head.subarray(MAGIC_OFFSET, MAGIC_OFFSET + 4).toString("latin1") !== "HdrS") {
    throw new HostError("BAD_KERNEL", `${path} is not a Linux kernel`);
  }
  const release = releaseIn(head);
  const modules = join(modulesRoot, release ?? "");
  return {
    path,
    release,
    modules: release !== undefined && existsSync(modules) ? modules : undefined,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Newest first, by the numbers in the name. */
function byVersion(a: string, b: string): number {
  return b.localeCompare(a, "en", { numeric: true });
}

async function imagesIn(boot: string): Promise<string[]> {
  const names = await readdir(boot).catch(() => []);
  return names
    .filter((name) => name.startsWith("vmlinuz-"))
    .toSorted(byVersion)
    .map((name) => join(boot, name));
}

async function readable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const allowed = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (allowed) return path;
  }
  return undefined;
}

/**
 * The cache directory, for files that can be fetched again. Source: XDG base directory
 * specification.
 */
function cacheDirectory(): string {
  const root = process.env["XDG_CACHE_HOME"];
  return join(
    root !== undefined && root !== "" ? root : join(homedir(), ".cache"),
    "evenkeel/kernels",
  );
}

async function unpacked(cache: string): Promise<KernelImage | undefined> {
  const packages = (await readdir(cache).catch(() => []))
    .filter((name) => name.startsWith("linux-image-"))
    .toSorted(byVersion);
  for (const name of packages) {
    const [path] = await imagesIn(join(cache, name, "boot"));
    if (path !== undefined) return readImage(path, join(cache, name, "lib/modules"));
  }
  return undefined;
}

async function packageName(signal: AbortSignal | undefined): Promise<string> {
  const { stdout } = await run("apt-cache", ["depends", META_PACKAGE], { signal });
  const name = /Depends: (linux-image-[0-9a-z.+-]+)/.exec(stdout)?.[1];
  if (name === undefined) throw new Error(`apt has no package for ${META_PACKAGE}`);
  return name;
}

/** Downloads and unpacks Debian's package into the cache, completely or not at all. */
async function unpackPackage(cache: string, { report, signal }: KernelSearch): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, ".new-"));
  try {
    const name = await packageName(signal);
    report?.(`Downloading a kernel (Debian's ${name}, not installed) …`);
    await run("apt-get", ["download", "-q", name], { cwd: work, signal });
    const archive = (await readdir(work)).find((file) => file.endsWith(".deb"));
    if (archive === undefined) throw new Error(`apt-get download ${name} left no package`);
    await run("dpkg-deb", ["-x", join(work, archive), join(work, "root")], { signal });
    await rename(join(work, "root"), join(cache, name)).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster, and its kernel is as good.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Finds a kernel. Throws BAD_KERNEL if the given file is not a kernel, NO_KERNEL if none is found
 * and none can be downloaded.
 */
export async function findKernel(search: KernelSearch = {}): Promise<KernelImage> {
  const { given, boot = "/boot", cache = cacheDirectory() } = search;
  if (given !== undefined) return readImage(given, "/lib/modules");
  const installed = await readable(await imagesIn(boot));
  if (installed !== undefined) return readImage(installed, "/lib/modules");
  const kept = await unpacked(cache);
  if (kept !== undefined) return kept;
  try {
    await unpackPackage(cache, search);
  } catch (error) {
    search.signal?.throwIfAborted();
    const why = messageOf(error).trim();
    const message = `no readable ${boot}/vmlinuz-*, and Debian's package is not available: ${why}`;
    throw new HostError("NO_KERNEL", message, { cause: error });
  }
  const image = await unpacked(cache);
  if (image === undefined)
    throw new HostError("NO_KERNEL", `Debian's package in ${cache} has no kernel`);
  return image;
}
