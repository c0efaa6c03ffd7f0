/** A microVM as it is, and what happens to it: it boots, is saved and loaded, and goes on. */
import type { createConfiguration } from "./configuration.ts";
import { fault, FaultError, within } from "./fault.ts";
import type { Body } from "./requests.ts";
import type { DoubleSettings } from "./settings.ts";
import { checkMemoryFile, greetHandler, readState, writeSnapshot } from "./snapshot.ts";
import { readerOf, type FileKind } from "./state-file.ts";
import { LINE, lineNumber } from "./versions.ts";

export interface Vm {
  readonly settings: DoubleSettings;
  readonly version: string;
  readonly config: ReturnType<typeof createConfiguration>;
  readonly print: (line: string) => void;
  state: "Not started" | "Running" | "Paused";
  /** Configuring what only a boot needs rules out loading a snapshot. */
  bootPath: boolean;
  mmds: unknown;
  /** The guest CPU as a contract's JSON, once it runs. */
  cpu: unknown;
  /** Features that the guest counts on and the node lacks. */
  missing: readonly string[];
}

const RUNNING = "Operation not allowed: save/restore unavailable while running";

/** What a guest's kernel logs when a program executes an instruction that the CPU lacks. */
const INVALID_OPCODE =
  "[   12.345678] traps: node[412] trap invalid opcode ip:55d0c0de1000 sp:7ffd00001000 " +
  "error:0 in node[55d0c0000000+2000000]";

async function readNode({ profile }: DoubleSettings) {
  if (profile === undefined) return undefined;
  const { loadProfile } = await import("./guest.ts");
  return loadProfile(profile);
}

async function fileKind(settings: DoubleSettings): Promise<FileKind> {
  const { snapshotFormat } = await import("@evenkeel/core");
  const node = await readNode(settings);
  return {
    arch: node?.cpu.arch ?? "x86_64",
    format: snapshotFormat(settings.version) ?? "0.0.0",
    reader: readerOf(settings.version),
  };
}

/** A guest that executes what its node lacks ends up in its own kernel's log. */
function speak(vm: Vm, how: "booted" | "resumed"): void {
  for (const text of vm.settings.console ?? [`evenkeel double: guest ${how}`]) vm.print(text);
  if (vm.missing.length === 0) return;
  vm.print(INVALID_OPCODE);
  vm.print(`evenkeel double: the guest counts on ${vm.missing.join(", ")}`);
}

export async function start(vm: Vm): Promise<void> {
  if (!vm.config.canBoot()) throw fault("Cannot start microvm without kernel configuration.");
  const profile = await readNode(vm.settings);
  if (profile !== undefined) {
    const { bootCpu } = await import("./guest.ts");
    const { vcpu_count: vcpus, smt } = vm.config.machine();
    const size = { vcpus: Number(vcpus), smt: smt === true };
    vm.cpu = bootCpu({ profile, version: vm.version, ...size, chosen: vm.config.template() });
  }
  vm.state = "Running";
  speak(vm, "booted");
}

export function checkDiff(vm: Vm, body: Body): void {
  const tracked = vm.config.machine()["track_dirty_pages"] === true;
  const allowed = tracked || lineNumber(vm.version) >= LINE.untrackedDiffs;
  if (body["snapshot_type"] !== "Diff" || allowed) return;
  throw fault(
    "The requested operation is not supported: Diff snapshots are not allowed on uVMs with dirty page tracking disabled.",
  );
}

export async function create(vm: Vm, body: Body): Promise<void> {
  if (vm.state !== "Paused") throw fault(`Cannot save the microVM state: ${RUNNING}`);
  const { snapshot_path: statePath, mem_file_path: memory } = body;
  const files = { state: statePath as string, memory: memory as string };
  writeSnapshot(files, vm.config.save(vm.cpu), await fileKind(vm.settings));
}

/** Everything up to the loaded guest, paused. */
async function restore(vm: Vm, body: Body): Promise<void> {
  const saved = readState(body["snapshot_path"] as string, await fileKind(vm.settings));
  const memory = Number(saved.machine["mem_size_mib"]);
  const backend = body["mem_backend"] as Record<string, string>;
  const path = backend["backend_path"] ?? "";
  if (backend["backend_type"] === "Uffd") await greetHandler(path, memory);
  else checkMemoryFile(path, memory, vm.version);
  const profile = await readNode(vm.settings);
  const guest = await import("./guest.ts");
  within("Failed to build microVM from snapshot: ", () => {
    if (profile !== undefined && saved.cpu !== null) vm.missing = guest.loadCpu(saved.cpu, profile);
    const tracked = body["track_dirty_pages"] === true || body["enable_diff_snapshots"] === true;
    within("Failed to restore devices: ", () => vm.config.restore(saved, tracked));
  });
  vm.cpu = saved.cpu;
  vm.state = "Paused";
}

export async function load(vm: Vm, body: Body): Promise<void> {
  if (vm.bootPath) {
    throw fault(
      "Loading a microVM snapshot not allowed after configuring boot-specific resources.",
    );
  }
  try {
    await restore(vm, body);
  } catch (error) {
    if (!(error instanceof FaultError)) throw error;
    throw new FaultError(`Failed to restore from snapshot: ${error.message}`, 400, true);
  }
  if (body["resume_vm"] === true) resume(vm);
}

export function resume(vm: Vm): void {
  const wasPaused = vm.state === "Paused";
  vm.state = "Running";
  if (wasPaused) speak(vm, "resumed");
}

export function setMmds(vm: Vm, value: unknown, patch: boolean): void {
  if (patch && vm.mmds === undefined) throw fault("The MMDS data store is not initialized.");
  vm.mmds = patch ? { ...(vm.mmds as object), ...(value as object) } : value;
}

export async function setCpu(vm: Vm, json: Body): Promise<void> {
  // What changes nothing need not wait until core is loaded.
  if (Object.keys(json).length === 0) return vm.config.setTemplate({ kind: "none" });
  const { readTemplate } = await import("./guest.ts");
  vm.config.setTemplate({ kind: "custom", template: readTemplate(json) });
}
