/**
 * A microVM's life: what may be done before and after it runs, and what each call answers.
 * Source: src/vmm/src/rpc_interface.rs, builder.rs and persist.rs, v1.14.1.
 */
import { createConfiguration } from "./configuration.ts";
import { fault, FaultError, within } from "./fault.ts";
import type { Action, Body } from "./requests.ts";
import type { DoubleSettings } from "./settings.ts";
import { checkMemoryFile, greetHandler, readState, writeSnapshot } from "./snapshot.ts";
import { readerOf, type FileKind } from "./state-file.ts";
import { LINE, lineNumber } from "./versions.ts";

export interface MicrovmOptions {
  readonly id: string;
  readonly settings: DoubleSettings;
  readonly print: (line: string) => void;
  /** The guest has shut down. */
  readonly halt: () => void;
}

export interface Microvm {
  /** Carries out one action; the answer's body, undefined where there is none. */
  readonly handle: (action: Action) => Promise<unknown>;
}

type Kind = Action["kind"];
type Handler<K extends Kind> = (action: Extract<Action, { readonly kind: K }>) => unknown;
type Handlers = { readonly [K in Kind]?: Handler<K> };

const PRE_BOOT = "The requested operation is not supported before starting the microVM.";
const POST_BOOT = "The requested operation is not supported after starting the microVM.";
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

export function createMicrovm({ id, settings, print, halt }: MicrovmOptions): Microvm {
  const { version } = settings;
  const config = createConfiguration(version);
  let state: "Not started" | "Running" | "Paused" = "Not started";
  /** Configuring what only a boot needs rules out loading a snapshot. */
  let bootPath = false;
  let mmds: unknown;
  /** The guest CPU as a contract's JSON, once it runs. */
  let cpu: unknown = null;
  /** Features that the guest counts on and the node lacks. */
  let missing: readonly string[] = [];

  const answers = {
    instance: () => ({ id, state, vmm_version: version, app_name: "Firecracker" }),
    version: () => ({ firecracker_version: version }),
    machine: config.machine,
    config: config.all,
    mmds: () => mmds ?? {},
    balloon: () => {
      throw fault("Balloon config error: No balloon device found.");
    },
  };

  /** A guest that executes what its node lacks ends up in its own kernel's log. */
  function speak(how: "booted" | "resumed"): void {
    for (const text of settings.console ?? [`evenkeel double: guest ${how}`]) print(text);
    if (missing.length === 0) return;
    print(INVALID_OPCODE);
    print(`evenkeel double: the guest counts on ${missing.join(", ")}`);
  }

  async function start(): Promise<void> {
    if (!config.canBoot()) throw fault("Cannot start microvm without kernel configuration.");
    const profile = await readNode(settings);
    if (profile !== undefined) {
      const { bootCpu } = await import("./guest.ts");
      const { vcpu_count: vcpus, smt } = config.machine();
      const size = { vcpus: Number(vcpus), smt: smt === true };
      cpu = bootCpu({ profile, version, ...size, chosen: config.template() });
    }
    state = "Running";
    speak("booted");
  }

  function checkDiff(body: Body): void {
    const tracked = config.machine()["track_dirty_pages"] === true;
    const allowed = tracked || lineNumber(version) >= LINE.untrackedDiffs;
    if (body["snapshot_type"] !== "Diff" || allowed) return;
    throw fault(
      "The requested operation is not supported: Diff snapshots are not allowed on uVMs with dirty page tracking disabled.",
    );
  }

  async function create(body: Body): Promise<void> {
    if (state !== "Paused") throw fault(`Cannot save the microVM state: ${RUNNING}`);
    const { snapshot_path: statePath, mem_file_path: memory } = body;
    const files = { state: statePath as string, memory: memory as string };
    writeSnapshot(files, config.save(cpu), await fileKind(settings));
  }

  /** Everything up to the loaded guest, paused. */
  async function restore(body: Body): Promise<void> {
    const saved = readState(body["snapshot_path"] as string, await fileKind(settings));
    const memory = Number(saved.machine["mem_size_mib"]);
    const backend = body["mem_backend"] as Record<string, string>;
    const path = backend["backend_path"] ?? "";
    if (backend["backend_type"] === "Uffd") await greetHandler(path, memory);
    else checkMemoryFile(path, memory, version);
    const profile = await readNode(settings);
    const guest = await import("./guest.ts");
    within("Failed to build microVM from snapshot: ", () => {
      if (profile !== undefined && saved.cpu !== null) missing = guest.loadCpu(saved.cpu, profile);
      const tracked = body["track_dirty_pages"] === true || body["enable_diff_snapshots"] === true;
      within("Failed to restore devices: ", () => config.restore(saved, tracked));
    });
    cpu = saved.cpu;
    state = "Paused";
  }

  async function load(body: Body): Promise<void> {
    if (bootPath) {
      throw fault(
        "Loading a microVM snapshot not allowed after configuring boot-specific resources.",
      );
    }
    try {
      await restore(body);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      throw new FaultError(`Failed to restore from snapshot: ${error.message}`, 400, true);
    }
    if (body["resume_vm"] === true) resume();
  }

  function resume(): void {
    const wasPaused = state === "Paused";
    state = "Running";
    if (wasPaused) speak("resumed");
  }

  function setMmds(value: unknown, patch: boolean): void {
    if (patch && mmds === undefined) throw fault("The MMDS data store is not initialized.");
    mmds = patch ? { ...(mmds as object), ...(value as object) } : value;
  }

  async function setCpu(json: Body): Promise<void> {
    // What changes nothing need not wait until core is loaded.
    if (Object.keys(json).length === 0) return config.setTemplate({ kind: "none" });
    const { readTemplate } = await import("./guest.ts");
    config.setTemplate({ kind: "custom", template: readTemplate(json) });
  }

  /** Runs a step; from 1.6 on its faults name what failed. */
  async function step(prefix: string, run: () => unknown): Promise<void> {
    try {
      await run();
    } catch (error) {
      const named = error instanceof FaultError && lineNumber(version) >= LINE.namedFaults;
      if (!named) throw error;
      throw new FaultError(`${prefix}: ${error.message}`, error.status, error.fatal);
    }
  }

  function configure(prefix: string, run: () => void): Promise<void> {
    bootPath = true;
    return step(prefix, run);
  }

  const always: Handlers = {
    get: ({ what }) => answers[what](),
    mmds: ({ value, patch }) => step("MMDS error", () => setMmds(value, patch)),
  };

  const beforeBoot: Handlers = {
    ...always,
    "boot-source": ({ body }) => configure("Boot source error", () => config.setBootSource(body)),
    machine: ({ body }) => configure("Machine config error", () => config.setMachine(body, false)),
    "patch-machine": ({ body }) =>
      configure("Machine config error", () => config.setMachine(body, true)),
    drive: ({ body }) => configure("Drive config error", () => config.setDrive(body)),
    network: ({ body }) => configure("Network config error", () => config.setNetwork(body)),
    device: ({ key, body, boots }) => {
      bootPath ||= boots;
      config.setDevice(key, body);
    },
    cpu: ({ body }) => setCpu(body),
    start: () => step("Start microvm error", start),
    load: ({ body }) => step("Load snapshot error", () => load(body)),
  };

  /** The double has no PCI. */
  const hotPlug = (): never => {
    if (lineNumber(version) < LINE.hotPlug) throw fault(POST_BOOT);
    throw fault("PCI is not enabled");
  };

  const afterBoot: Handlers = {
    ...always,
    drive: hotPlug,
    network: hotPlug,
    unplug: hotPlug,
    pause: () => {
      state = "Paused";
    },
    resume,
    create: ({ body }) => {
      checkDiff(body);
      return step("Create snapshot error", () => create(body));
    },
    "ctrl-alt-del": () => {
      print("evenkeel double: guest rebooted");
      halt();
    },
    flush: () => undefined,
    "patch-drive": () => undefined,
    "patch-network": () => undefined,
  };

  return {
    handle: async (action) => {
      const isBooted = state !== "Not started";
      const handler = (isBooted ? afterBoot : beforeBoot)[action.kind];
      if (handler === undefined) throw fault(isBooted ? POST_BOOT : PRE_BOOT);
      return (handler as (given: Action) => unknown)(action);
    },
  };
}
