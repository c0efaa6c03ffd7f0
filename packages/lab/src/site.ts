/** The lab's own corner of the machine: directories, drivers, and the microVMs that are alive. */
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CpuidEntry } from "@evenkeel/core";
import {
  HostError,
  killWithin,
  qemuDriver,
  type CpuChoice,
  type CpuFinding,
  type MicroVm,
  type SnapshotFiles,
  type VmmDriver,
} from "@evenkeel/host";
import type { LabNode } from "./node.ts";

/** Enough for Debian's kernel and a small initramfs; a snapshot holds all of it. */
const MEMORY_MIB = 128;

/** A panic ends the machine instead of hanging it. */
const BOOT_ARGS = "console=ttyS0 reboot=t panic=-1";
/** The canary speaks for itself; of other programs the kernel tells which signal killed them. */
const QUIET = "quiet";
const TALKATIVE = "loglevel=7";

export interface Station {
  /** Unique in the lab, and fit for a file's name. */
  readonly id: string;
  readonly node: LabNode;
  readonly driver: VmmDriver;
  /** Known once a guest has looked. */
  offered: readonly CpuidEntry[] | undefined;
  /** What QEMU could not express of the last guest CPU it was asked for. */
  findings: readonly CpuFinding[];
}

export interface Site {
  readonly root: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly canary: boolean;
  readonly signal: AbortSignal;
}

/** Runs some work in a directory of its own, which is gone afterwards whatever happened. */
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
  // Where this process ends by a defect, what it started must end all the same.
  process.once("exit", sweep);
  try {
    const initrd = join(root, "initrd");
    await writeFile(initrd, image.initrd);
    return await work({ root, kernel, initrd, canary: image.canary, signal });
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

/** The directory of one thing, made anew. */
export async function place(site: Site, ...names: readonly string[]): Promise<string> {
  const directory = join(site.root, ...names);
  await mkdir(directory, { recursive: true });
  return directory;
}

/** Ends a microVM and removes its directory, which is its own. */
async function dispose(vm: MicroVm): Promise<void> {
  await vm.kill();
  await rm(vm.record.directory, { recursive: true, force: true, maxRetries: 3 });
}

async function whileItRuns<T>(
  starting: Promise<MicroVm>,
  site: Site,
  work: (vm: MicroVm) => Promise<T>,
): Promise<T> {
  const vm = await starting;
  try {
    site.signal.throwIfAborted();
    return await work(vm);
  } finally {
    await dispose(vm);
  }
}

/** Boots the image on a node; the guest is gone when the work is done. */
export async function withBooted<T>(
  site: Site,
  { driver, id }: Station,
  cpu: CpuChoice,
  initrd: string,
  work: (vm: MicroVm) => Promise<T>,
): Promise<T> {
  const directory = await place(site, `${id}-${cpu.kind}`);
  const spec = {
    directory,
    kernel: site.kernel,
    initrd,
    drives: [],
    bootArgs: `${BOOT_ARGS} ${site.canary ? QUIET : TALKATIVE}`,
    vcpus: 1,
    smt: false,
    memoryMib: MEMORY_MIB,
    cpu,
  };
  return whileItRuns(driver.boot(spec), site, work);
}

/** A QEMU that cannot load a snapshot says so, or ends. */
const REFUSALS: ReadonlySet<string> = new Set(["VMM_REFUSED", "VMM_START_FAILED", "VMM_GONE"]);

/** Loads a snapshot on a node and lets it run; what the VMM says where it does not take it. */
export async function withResumed<T>(
  site: Site,
  { driver }: Station,
  snapshot: SnapshotFiles,
  directory: string,
  work: (vm: MicroVm) => Promise<T>,
): Promise<T | { readonly refused: string }> {
  let vm: MicroVm;
  try {
    vm = await driver.load({ directory, snapshot, memory: { kind: "file" } });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    if (error instanceof HostError && REFUSALS.has(error.code)) return { refused: error.message };
    throw error;
  }
  return whileItRuns(Promise.resolve(vm), site, async (running) => {
    await running.resume();
    return work(running);
  });
}
