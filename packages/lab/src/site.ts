/** The lab's resources on this machine: directories, drivers, and running microVMs. */
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { CpuidEntry } from "@evenkeel/core";
import {
  killWithin,
  qemuDriver,
  type CpuFinding,
  type MicroVm,
  type VmmDriver,
} from "@evenkeel/host";
import { canaryInitramfs } from "./canary/canary.ts";
import type { LabNode } from "./node.ts";

/** A panic ends the machine instead of hanging it. */
const BOOT_ARGS = "console=ttyS0 reboot=t panic=-1";
/** The canary reports its own signals; for other programs the kernel does. */
const QUIET = "quiet";
const TALKATIVE = "loglevel=7";

export interface Station {
  /** Unique in the lab, and fit for a file's name. */
  readonly id: string;
  readonly node: LabNode;
  readonly driver: VmmDriver;
  /** Known once a guest has reported it. */
  offered: readonly CpuidEntry[] | undefined;
  /** What QEMU could not express of the last guest CPU it was asked for. */
  findings: readonly CpuFinding[];
}

export interface Site {
  readonly root: string;
  /** Holds the kernel as an agent looks for it. */
  readonly kernels: string;
  /** Holds the guests' images as an agent looks for them. */
  readonly images: string;
  /** Whether the guest is the canary. */
  readonly canary: boolean;
  readonly signal: AbortSignal;
}

/** Names of the site's kernel and images, as a machine is asked for. */
const KERNEL = "lab";
const CANARY = "canary";
const GIVEN = "given";

/** A guest that every node can hold: enough for Debian's kernel and a small initramfs. */
const SIZE = { vcpus: 1, smt: false, memoryMib: 128 } as const;

/** The lab's guest, as an agent's API takes it. */
export function machineOf({ canary }: Site) {
  const bootArgs = `${BOOT_ARGS} ${canary ? QUIET : TALKATIVE}`;
  return { kernel: KERNEL, initrd: canary ? CANARY : GIVEN, bootArgs, ...SIZE };
}

/** The directory of one thing, made anew. */
export async function place(
  { root }: { readonly root: string },
  ...names: readonly string[]
): Promise<string> {
  const directory = join(root, ...names);
  await mkdir(directory, { recursive: true });
  return directory;
}

async function furnish(
  root: string,
  image: { readonly initrd: Buffer; readonly canary: boolean },
  kernel: string,
): Promise<Pick<Site, "kernels" | "images">> {
  await symlink(resolve(kernel), join(await place({ root }, "kernels", KERNEL), "vmlinux.bin"));
  const images = await place({ root }, "images");
  await writeFile(join(images, CANARY), canaryInitramfs());
  if (!image.canary) await writeFile(join(images, GIVEN), image.initrd);
  return { kernels: join(root, "kernels"), images };
}

/** Runs work in its own directory, which is removed afterwards in any case. */
export async function withSite<T>(
  image: { readonly initrd: Buffer; readonly canary: boolean },
  kernel: string,
  signal: AbortSignal,
  work: (site: Site) => Promise<T>,
): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), "evenkeel-lab-"));
  const sweep = () => {
    killWithin(root);
    rmSync(root, { recursive: true, force: true, maxRetries: 3 });
  };
  // If this process crashes, what it started must still be stopped.
  process.once("exit", sweep);
  try {
    const furniture = await furnish(root, image, kernel);
    return await work({ root, ...furniture, canary: image.canary, signal });
  } finally {
    process.off("exit", sweep);
    sweep();
  }
}

export async function station(node: LabNode, id: string): Promise<Station> {
  const made = { id, node, offered: undefined, findings: [] } as Omit<Station, "driver">;
  const driver = await qemuDriver({
    cpu: node.cpu,
    offered: () => made.offered,
    onFindings: (findings) => {
      made.findings = findings;
    },
  });
  return Object.assign(made, { driver });
}

/**
 * Boots the canary on the plain node, without an agent, because an agent needs the node's profile
 * first.
 */
export async function withCanary<T>(
  site: Site,
  { driver, id }: Station,
  work: (vm: MicroVm) => Promise<T>,
): Promise<T> {
  const directory = await place(site, "probes", id);
  const vm = await driver.boot({
    directory,
    kernel: join(site.kernels, KERNEL, "vmlinux.bin"),
    initrd: join(site.images, CANARY),
    drives: [],
    bootArgs: `${BOOT_ARGS} ${QUIET}`,
    ...SIZE,
    cpu: { kind: "none" },
  });
  try {
    site.signal.throwIfAborted();
    return await work(vm);
  } finally {
    await vm.kill();
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
