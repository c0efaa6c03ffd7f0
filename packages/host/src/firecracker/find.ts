/** Firecracker binaries and guest kernels where operators keep them, as E2B lays them out. */
import { accessSync, constants, readdirSync } from "node:fs";
import { join } from "node:path";
import { HostError } from "../errors.ts";
import { checkRelease } from "./release.ts";

/** This architecture's names in paths: Go's name first, then Linux's. */
const ARCH_NAMES: Readonly<Record<string, readonly string[]>> = {
  x64: ["amd64", "x86_64"],
  arm64: ["arm64", "aarch64"],
};

export interface Environment {
  readonly FIRECRACKER_VERSIONS_DIR?: string | undefined;
  readonly HOST_KERNELS_DIR?: string | undefined;
}

/** Where E2B's orchestrator looks; FIRECRACKER_VERSIONS_DIR wins. */
export const FIRECRACKER_DIRECTORY = "/fc-versions";
export const KERNELS_DIRECTORY = "/fc-kernels";

export interface Installed {
  /** The directory's name: for Firecracker its version, not yet checked against the binary. */
  readonly version: string;
  readonly path: string;
}

function has(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** A version's file: the one for this architecture, else the common one. */
function fileOf(root: string, version: string, file: string, mode: number): string | undefined {
  const arches = ARCH_NAMES[process.arch] ?? [];
  return [...arches.map((arch) => join(root, version, arch, file)), join(root, version, file)].find(
    (path) => has(path, mode),
  );
}

function list(root: string, file: string, mode: number): Installed[] {
  const numeric = { numeric: true } as const;
  return names(root)
    .toSorted((a, b) => a.localeCompare(b, "en", numeric))
    .flatMap((version) => {
      const path = fileOf(root, version, file, mode);
      return path === undefined ? [] : [{ version, path }];
    });
}

function names(root: string): string[] {
  try {
    return readdirSync(root);
  } catch {
    return [];
  }
}

/** Installed Firecracker versions, oldest first; none where the directory cannot be read. */
export function findFirecrackers(env: Environment): Installed[] {
  return list(env.FIRECRACKER_VERSIONS_DIR ?? FIRECRACKER_DIRECTORY, "firecracker", constants.X_OK);
}

/** Installed guest kernels, oldest first; none where the directory cannot be read. */
export function findKernels(env: Environment): Installed[] {
  return list(env.HOST_KERNELS_DIR ?? KERNELS_DIRECTORY, "vmlinux.bin", constants.R_OK);
}

function orThrow(
  root: string,
  version: string,
  found: string | undefined,
  code: "VMM_NOT_FOUND" | "KERNEL_NOT_FOUND",
): string {
  if (found !== undefined) return found;
  const there = names(root).toSorted().join(", ");
  throw new HostError(code, `no "${version}" in ${root} (found: ${there || "none"})`);
}

/** `v1.14.1` for `1.14.1` and the other way round: releases are installed under either name. */
function otherName(version: string): string {
  return version.startsWith("v") ? version.slice(1) : `v${version}`;
}

/**
 * The binary of a version, after checking that it is that version. Throws VMM_NOT_FOUND,
 * NOT_FIRECRACKER and WRONG_FIRECRACKER, and UNKNOWN_VERSION if core does not know the version.
 */
export function requireFirecracker(env: Environment, version: string): string {
  const root = env.FIRECRACKER_VERSIONS_DIR ?? FIRECRACKER_DIRECTORY;
  const either = isName(version) ? [version, otherName(version)] : [];
  const [found] = either.flatMap((name) => fileOf(root, name, "firecracker", constants.X_OK) ?? []);
  const binary = orThrow(root, version, found, "VMM_NOT_FOUND");
  checkRelease(binary, version);
  return binary;
}

/** The guest kernel of a version; throws KERNEL_NOT_FOUND. */
export function requireKernel(env: Environment, version: string): string {
  const root = env.HOST_KERNELS_DIR ?? KERNELS_DIRECTORY;
  const found = isName(version) ? fileOf(root, version, "vmlinux.bin", constants.R_OK) : undefined;
  return orThrow(root, version, found, "KERNEL_NOT_FOUND");
}

/** Must be a directory's name, not a path out of the directory. */
function isName(version: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(version);
}
