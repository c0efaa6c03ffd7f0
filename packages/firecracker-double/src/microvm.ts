/**
 * A microVM's life: what may be done before and after it runs, and what each call answers.
 * Source: src/vmm/src/rpc_interface.rs, builder.rs and persist.rs, v1.14.1.
 */
import { accessSync, constants, openSync, closeSync } from "node:fs";
import { fault, FaultError, osReason, within } from "./fault.ts";
import type { ChosenTemplate } from "./guest.ts";
import type { Action, Body } from "./requests.ts";
import type { DoubleSettings } from "./settings.ts";
import {
  checkMemoryFile,
  greetHandler,
  readState,
  writeSnapshot,
  type SavedState,
} from "./snapshot.ts";
import type { Arch } from "./state-file.ts";
import { LINE, lineNumber } from "./versions.ts";

const MAX_VCPUS = 32;
const NO_BOOT_SOURCE: Body = { kernel_image_path: "", initrd_path: null, boot_args: null };

type State = "Not started" | "Running" | "Paused";

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

/** Whole, with the words for what failed put first, from 1.6 on. */
function naming(version: string): (prefix: string, error: unknown) => unknown {
  const named = lineNumber(version) >= LINE.namedFaults;
  return (prefix, error) => {
    if (!named || !(error instanceof FaultError)) return error;
    return new FaultError(`${prefix}: ${error.message}`, error.status, error.fatal);
  };
}

function canOpen(path: string, words: string): void {
  try {
    closeSync(openSync(path, "r"));
  } catch (error) {
    throw fault(`${words}${osReason(error)}`);
  }
}

function checkMachine(machine: Body): void {
  const { vcpu_count: vcpus, smt, mem_size_mib: memory, huge_pages: pages } = machine;
  const odd = smt === true && Number(vcpus) > 1 && Number(vcpus) % 2 === 1;
  if (Number(vcpus) < 1 || Number(vcpus) > MAX_VCPUS || odd) {
    throw fault(
      `The number of vCPUs must be greater than 0, less than ${MAX_VCPUS} and must be 1 or an even number if SMT is enabled.`,
    );
  }
  if (Number(memory) === 0 || (pages === "2M" && Number(memory) % 2 === 1)) {
    throw fault(
      "The memory size (MiB) is either 0, or not a multiple of the configured page size.",
    );
  }
}

const PRE_BOOT = "The requested operation is not supported before starting the microVM.";
const POST_BOOT = "The requested operation is not supported after starting the microVM.";

export function createMicrovm({ id, settings, print, halt }: MicrovmOptions): Microvm {
  const { version } = settings;
  const line = lineNumber(version);
  const named = naming(version);
  const hasHugePages = line >= LINE.snapshotVersion;

  let state: State = "Not started";
  /** Configuring what only a boot needs rules out loading a snapshot. */
  let bootPath = false;
  let machine: Body = {
    vcpu_count: 1,
    mem_size_mib: 128,
    smt: false,
    track_dirty_pages: false,
    ...(hasHugePages ? { huge_pages: "None" } : {}),
  };
  let bootSource: Body | undefined;
  let chosen: ChosenTemplate = { kind: "none" };
  const drives = new Map<string, Body>();
  const networks = new Map<string, Body>();
  const devices = new Map<string, Body>();
  let mmds: unknown;
  /** The guest CPU as a contract's JSON, once it runs. */
  let cpu: unknown;
  /** What the guest uses and the node lacks. */
  let missing: readonly string[] = [];

  function machineConfig(): Body {
    const { vcpu_count, mem_size_mib, smt, ...rest } = machine;
    const name = chosen.kind === "built-in" ? { cpu_template: chosen.name } : {};
    return { vcpu_count, mem_size_mib, smt, ...name, ...rest };
  }

  function vmConfig(): Body {
    return {
      balloon: devices.get("balloon") ?? null,
      drives: [...drives.values()],
      "boot-source": bootSource ?? NO_BOOT_SOURCE,
      ...(line >= LINE.keepsTemplate
        ? { "cpu-config": chosen.kind === "custom" ? chosen.json : null }
        : {}),
      logger: null,
      "machine-config": machineConfig(),
      metrics: null,
      "mmds-config": devices.get("mmds-config") ?? null,
      "network-interfaces": [...networks.values()],
      vsock: devices.get("vsock") ?? null,
      entropy: devices.get("entropy") ?? null,
    };
  }

  function get(what: "instance" | "version" | "machine" | "config" | "mmds"): unknown {
    switch (what) {
      case "instance":
        return { id, state, vmm_version: version, app_name: "Firecracker" };
      case "version":
        return { firecracker_version: version };
      case "machine":
        return machineConfig();
      case "config":
        return vmConfig();
      case "mmds":
        return mmds ?? {};
    }
  }

  function setMachine(body: Body, patch: boolean): void {
    const { cpu_template: name, ...rest } = body;
    const defaults = {
      smt: false,
      track_dirty_pages: false,
      ...(hasHugePages ? { huge_pages: "None" } : {}),
    };
    const updated = { ...machine, ...(patch ? {} : defaults), ...rest };
    checkMachine(updated);
    machine = updated;
    if (name === "None") chosen = { kind: "none" };
    else if (typeof name === "string") chosen = { kind: "built-in", name };
    else if (!patch && line < LINE.keepsTemplate) chosen = { kind: "none" };
  }

  function setBootSource(body: Body): void {
    canOpen(String(body["kernel_image_path"]), "The kernel file cannot be opened: ");
    if (body["initrd_path"] !== undefined) {
      canOpen(
        String(body["initrd_path"]),
        "The initrd file cannot be opened due to invalid path or invalid permissions. ",
      );
    }
    bootSource = { ...NO_BOOT_SOURCE, ...body };
  }

  function setDrive(body: Body): void {
    const { drive_id: drive, path_on_host: path, is_read_only: readOnly } = body;
    const root = body["is_root_device"] === true;
    if (
      root &&
      [...drives.values()].some((d) => d["is_root_device"] === true && d["drive_id"] !== drive)
    ) {
      throw fault("A root block device already exists!");
    }
    try {
      accessSync(
        String(path),
        readOnly === true ? constants.R_OK : constants.R_OK | constants.W_OK,
      );
    } catch (error) {
      const reason = `Error manipulating the backing file: ${osReason(error)} ${String(path)}`;
      throw fault(`Unable to create the virtio block device: Virtio backend error: ${reason}`);
    }
    drives.set(String(drive), body);
  }

  async function readNode() {
    const { profile } = settings;
    if (profile === undefined) return undefined;
    const { loadProfile } = await import("./guest.ts");
    return loadProfile(profile);
  }

  async function start(): Promise<void> {
    if (bootSource === undefined) throw fault("Cannot start microvm without kernel configuration.");
    const profile = await readNode();
    if (profile !== undefined) {
      const { bootCpu, contractJson } = await import("./guest.ts");
      const { vcpu_count: vcpus, smt } = machine;
      cpu = contractJson(
        bootCpu({ profile, version, vcpus: Number(vcpus), smt: smt === true, chosen }),
      );
    }
    state = "Running";
    speak("booted");
  }

  /** A guest that executes what its node lacks ends up in its own kernel's log. */
  function speak(how: "booted" | "resumed"): void {
    for (const text of settings.console ?? [`evenkeel double: guest ${how}`]) print(text);
    const [feature] = missing;
    if (feature === undefined) return;
    print(
      "[   12.345678] traps: node[412] trap invalid opcode ip:55d0c0de1000 sp:7ffd00001000 error:0 in node[55d0c0000000+2000000]",
    );
    print(`evenkeel double: the guest counts on ${missing.join(", ")}`);
  }

  async function arch(): Promise<Arch> {
    return (await readNode())?.cpu.arch ?? "x86_64";
  }

  async function snapshotFormat(): Promise<string> {
    const core = await import("@evenkeel/core");
    return core.snapshotFormat(version) ?? "0.0.0";
  }

  async function create(body: Body): Promise<void> {
    if (state !== "Paused") {
      throw fault(
        "Cannot save the microVM state: Operation not allowed: save/restore unavailable while running",
      );
    }
    const saved: SavedState = {
      machine: machineConfig(),
      bootSource: bootSource ?? NO_BOOT_SOURCE,
      drives: [...drives.values()],
      networks: [...networks.values()],
      cpu: cpu ?? null,
    };
    const files = { state: String(body["snapshot_path"]), memory: String(body["mem_file_path"]) };
    writeSnapshot(files, saved, { arch: await arch(), format: await snapshotFormat() });
  }

  /** Everything up to the loaded guest, paused. */
  async function restore(body: Body): Promise<void> {
    const saved = readState(String(body["snapshot_path"]), await arch(), await snapshotFormat());
    const memory = Number(saved.machine["mem_size_mib"]);
    const backend = body["mem_backend"] as Record<string, string>;
    const path = String(backend["backend_path"]);
    if (backend["backend_type"] === "Uffd") await greetHandler(path, memory);
    else checkMemoryFile(path, memory);
    const profile = await readNode();
    if (profile !== undefined && saved.cpu !== null) {
      const { loadCpu } = await import("./guest.ts");
      missing = within("Failed to build microVM from snapshot: ", () =>
        loadCpu(saved.cpu, profile),
      );
    }
    for (const drive of saved.drives) {
      within("Failed to build microVM from snapshot: Failed to restore devices: ", () =>
        setDrive(drive),
      );
    }
    machine = { ...saved.machine, track_dirty_pages: tracks(body) };
    bootSource = saved.bootSource;
    cpu = saved.cpu;
    chosen = { kind: "none" };
    state = "Paused";
  }

  function tracks(body: Body): boolean {
    return body["track_dirty_pages"] === true || body["enable_diff_snapshots"] === true;
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
    const { readTemplate } = await import("./guest.ts");
    chosen = { kind: "custom", template: readTemplate(json), json };
  }

  /** Runs a step; its faults name what failed. */
  async function step(prefix: string, run: () => void | Promise<void>): Promise<undefined> {
    try {
      await run();
      return undefined;
    } catch (error) {
      throw named(prefix, error);
    }
  }

  /** Configuration before the boot; each rules out loading a snapshot from now on. */
  function configure(prefix: string, run: () => void): Promise<undefined> {
    bootPath = true;
    return step(prefix, run);
  }

  async function beforeBoot(action: Action): Promise<unknown> {
    switch (action.kind) {
      case "boot-source":
        return configure("Boot source error", () => setBootSource(action.body));
      case "machine":
      case "patch-machine":
        return configure("Machine config error", () =>
          setMachine(action.body, action.kind === "patch-machine"),
        );
      case "drive":
        return configure("Drive config error", () => setDrive(action.body));
      case "network":
        return configure("Network config error", () => {
          networks.set(String(action.body["iface_id"]), action.body);
        });
      case "device":
        if (action.boots) bootPath = true;
        devices.set(action.key, action.body);
        return undefined;
      case "cpu":
        return step("Configure CPU error", () => setCpu(action.body));
      case "start":
        return step("Start microvm error", start);
      case "load":
        return step("Load snapshot error", () => load(action.body));
      default:
        throw fault(PRE_BOOT);
    }
  }

  async function afterBoot(action: Action): Promise<unknown> {
    switch (action.kind) {
      case "pause":
        state = "Paused";
        return undefined;
      case "resume":
        resume();
        return undefined;
      case "create":
        return step("Create snapshot error", () => create(action.body));
      case "ctrl-alt-del":
        print("evenkeel double: guest rebooted");
        halt();
        return undefined;
      case "flush":
        return undefined;
      case "patch-drive":
      case "patch-network":
        return undefined;
      default:
        throw fault(POST_BOOT);
    }
  }

  return {
    handle: async (action) => {
      if (action.kind === "get") return get(action.what);
      if (action.kind === "mmds") {
        return step("MMDS error", () => setMmds(action.value, action.patch));
      }
      return state === "Not started" ? beforeBoot(action) : afterBoot(action);
    },
  };
}
