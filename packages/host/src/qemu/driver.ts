/** The QEMU driver: unlike CPUs on one machine, without KVM, behind the same interface. */
import { execFile } from "node:child_process";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { CpuidEntry } from "@evenkeel/core";
import { HostError } from "../errors.ts";
import { fillForBoot, fillForLoad } from "../jailed-files.ts";
import { belongsTo } from "../isolation/processes.ts";
import { pathIn } from "../path-in.ts";
import { isRunning } from "../proc.ts";
import { killWithin, untilGone } from "../process.ts";
import type { BootSpec, LoadSpec, MicroVm, VmExit, VmmDriver, VmRecord } from "../vmm.ts";
import {
  bootArguments,
  loadArguments,
  shellPipe,
  type Accelerator,
  type Machine,
} from "./arguments.ts";
import { guestCpuid, switchesFor, type CpuFinding } from "./cpu.ts";
import { microVm, untilMigrated } from "./microvm.ts";
import { withQmp } from "./qmp.ts";
import { orItsEnd, socketPath, startQemu, type Started } from "./start.ts";
import { readState, type SnapshotState } from "./state.ts";

/** The node that is emulated. */
export interface QemuNode {
  /** QEMU's CPU model with switches, as `-cpu` takes it: `Haswell-noTSX,-avx2`. */
  readonly cpu: string;
  /**
   * What a guest sees on it, asked when it is needed: a probe learns it from the node's first
   * guest. Without it no template can be applied, and a snapshot does not say what it was promised.
   */
  readonly offered?: () => readonly CpuidEntry[] | undefined;
  readonly binary?: string;
  readonly accelerator?: Accelerator;
  /** Told what QEMU cannot express of a guest CPU. */
  readonly onFindings?: (findings: readonly CpuFinding[]) => void;
}

export const QEMU_BINARY = "qemu-system-x86_64";

const run = promisify(execFile);

async function askQemu(binary: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(binary, args);
    return stdout;
  } catch (cause) {
    const message = `cannot run ${binary}: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new HostError("NO_QEMU", message, { cause });
  }
}

/** QEMU's version, such as `7.2.22`; throws NO_QEMU. */
async function qemuVersion(binary: string = QEMU_BINARY): Promise<string> {
  const text = await askQemu(binary, ["--version"]);
  const version = /version (\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1];
  if (version === undefined)
    throw new HostError("NO_QEMU", `${binary} does not report its version`);
  return version;
}

export interface QemuCpus {
  readonly models: ReadonlySet<string>;
  /** The CPUID flags it has switches for. */
  readonly flags: ReadonlySet<string>;
}

/** The CPUs that this QEMU emulates. */
export async function qemuCpus(binary: string = QEMU_BINARY): Promise<QemuCpus> {
  const [models = "", flags = ""] = (await askQemu(binary, ["-cpu", "help"])).split(
    "Recognized CPUID flags:",
  );
  return {
    models: new Set([...models.matchAll(/^ *x86 +(\S+)/gm)].map(([, name]) => name ?? "")),
    flags: new Set(flags.split(/\s+/).filter((flag) => flag !== "")),
  };
}

interface Context {
  readonly node: QemuNode;
  readonly version: string;
  readonly flags: ReadonlySet<string>;
}

/** Where the facts about a running microVM are kept for {@link VmmDriver.adopt}. */
const FACTS = "qemu.json";

async function finish(started: Started, state: SnapshotState, { node }: Context): Promise<MicroVm> {
  const path = join(started.record.directory, FACTS);
  await writeFile(`${path}.new`, JSON.stringify(state));
  await rename(`${path}.new`, path);
  return microVm(started.record, started.exited, () => completed(state, node));
}

/** A guest that no template shaped was promised what its node offers. */
function completed(state: SnapshotState, { offered }: QemuNode): SnapshotState {
  return { ...state, cpuid: state.cpuid ?? offered?.() };
}

/** The value of `-cpu` that shows a guest these entries, as far as the node has them. */
function shownCpu({ node, flags }: Context, wanted: readonly CpuidEntry[] | undefined): string {
  const offered = node.offered?.();
  if (offered === undefined || wanted === undefined) return node.cpu;
  const { switches, findings } = switchesFor(offered, wanted, flags);
  if (findings.length > 0) node.onFindings?.(findings);
  return [node.cpu, ...switches].join(",");
}

async function boot(context: Context, spec: BootSpec): Promise<MicroVm> {
  const { node, version } = context;
  const { binary = QEMU_BINARY, accelerator = "tcg" } = node;
  const seen = await fillForBoot(spec);
  const { directory, vcpus, smt, memoryMib, networks = [], vsock, cell } = seen;
  if (vsock !== undefined) throw new HostError("NOT_WITH_QEMU", "an emulated node has no vsock");
  const drives = seen.drives.map((drive) => ({ ...drive, path: pathIn(directory, drive.path) }));
  const machine: Machine = { vcpus, smt, memoryMib, drives, networks };
  const cpuid = guestCpuid(node.offered?.(), spec.cpu);
  const args = bootArguments(machine, seen, accelerator, shownCpu(context, cpuid));
  const started = await startQemu(binary, args, directory, cell);
  const vm = await finish(started, { qemu: version, machine, cpuid }, context);
  await vm.resume();
  return vm;
}

async function load(context: Context, spec: LoadSpec): Promise<MicroVm> {
  const { directory, cell, memory } = spec;
  if (memory.kind !== "file") {
    throw new HostError("NOT_WITH_QEMU", "QEMU's emulation loads memory only from a file");
  }
  const { binary = QEMU_BINARY, accelerator = "tcg" } = context.node;
  const state = await readState(spec.snapshot.state);
  const { snapshot } = fillForLoad(spec);
  const args = loadArguments(state.machine, accelerator, shownCpu(context, state.cpuid));
  const started = await startQemu(binary, args, directory, cell);
  const loading = withQmp(socketPath(started.record), async (execute) => {
    await execute("migrate-incoming", { uri: shellPipe("cat <", snapshot.memory) });
    await untilMigrated(execute);
  });
  const vm = await finish(started, state, context);
  try {
    await orItsEnd(loading, started.exited, directory);
  } catch (error) {
    await vm.kill();
    throw error;
  }
  return vm;
}

async function adopt({ node }: Context, record: VmRecord): Promise<MicroVm | undefined> {
  if (!isRunning(record.pid, record.startTime)) return undefined;
  if (record.jail !== undefined && !belongsTo(record.pid, record.jail.uid)) return undefined;
  const state = await readFile(join(record.directory, FACTS), "utf8").catch(() => undefined);
  if (state === undefined) return undefined;
  const unknown: VmExit = { code: undefined, signal: undefined };
  const exited = untilGone(record, { background: true }).then(() => unknown);
  return microVm(record, exited, () => completed(JSON.parse(state) as SnapshotState, node));
}

/** A driver for one emulated node; throws NO_QEMU, and NO_CPU_MODEL where QEMU lacks its CPU. */
export async function qemuDriver(node: QemuNode): Promise<VmmDriver> {
  const version = await qemuVersion(node.binary);
  const model = node.cpu.split(",")[0] ?? "";
  const { models, flags } = await qemuCpus(node.binary);
  if (!models.has(model)) {
    throw new HostError("NO_CPU_MODEL", `QEMU ${version} has no CPU model "${model}"`);
  }
  const context = { node, version, flags };
  return {
    vmm: "qemu",
    version,
    boot: (spec) => boot(context, spec),
    load: (spec) => load(context, spec),
    adopt: (record) => adopt(context, record),
    reap: async (directory) => killWithin(directory),
  };
}
