/**
 * What has been configured for a microVM, and what it looks like when asked for.
 * Source: src/vmm/src/resources.rs and vmm_config/, v1.14.1.
 */
import { accessSync, closeSync, constants, openSync } from "node:fs";
import { fault, osReason } from "./fault.ts";
import type { ChosenTemplate } from "./guest.ts";
import type { Body } from "./requests.ts";
import type { SavedState } from "./snapshot.ts";
import { LINE, lineNumber } from "./versions.ts";

const MAX_VCPUS = 32;
const NO_BOOT_SOURCE: Body = { kernel_image_path: "", initrd_path: null, boot_args: null };

/** A drive as Firecracker shows it, with everything that was left out. */
const DRIVE_DEFAULTS: Body = {
  partuuid: null,
  cache_type: "Unsafe",
  is_read_only: null,
  path_on_host: null,
  rate_limiter: null,
  io_engine: "Sync",
  socket: null,
};

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
    const limits = `greater than 0, less than ${MAX_VCPUS}`;
    throw fault(
      `The number of vCPUs must be ${limits} and must be 1 or an even number if SMT is enabled.`,
    );
  }
  if (Number(memory) === 0 || (pages === "2M" && Number(memory) % 2 === 1)) {
    throw fault(
      "The memory size (MiB) is either 0, or not a multiple of the configured page size.",
    );
  }
}

function checkDriveFile(path: string, readOnly: boolean): void {
  try {
    accessSync(path, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK);
  } catch (error) {
    const reason = `Error manipulating the backing file: ${osReason(error)} ${path}`;
    throw fault(`Unable to create the virtio block device: Virtio backend error: ${reason}`);
  }
}

function checkBootSource({ kernel_image_path: kernel, initrd_path: initrd }: Body): void {
  canOpen(kernel as string, "The kernel file cannot be opened: ");
  const words = "The initrd file cannot be opened due to invalid path or invalid permissions. ";
  if (typeof initrd === "string") canOpen(initrd, words);
}

function checkDrive(body: Body, drives: ReadonlyMap<string, Body>): void {
  const isRoot = body["is_root_device"] === true;
  const others = [...drives].filter(([other]) => other !== body["drive_id"]);
  if (isRoot && others.some(([, drive]) => drive["is_root_device"] === true)) {
    throw fault("A root block device already exists!");
  }
  checkDriveFile(body["path_on_host"] as string, body["is_read_only"] === true);
}

export interface Configuration {
  readonly setMachine: (body: Body, patch: boolean) => void;
  readonly setBootSource: (body: Body) => void;
  readonly setDrive: (body: Body) => void;
  readonly setNetwork: (body: Body) => void;
  readonly setDevice: (key: string, body: Body) => void;
  readonly setTemplate: (template: ChosenTemplate) => void;
  readonly template: () => ChosenTemplate;
  readonly canBoot: () => boolean;
  /** The answer to GET /machine-config. */
  readonly machine: () => Body;
  /** The answer to GET /vm/config. */
  readonly all: () => Body;
  readonly save: (cpu: unknown) => SavedState;
  readonly restore: (saved: SavedState, trackDirtyPages: boolean) => void;
}

interface Parts {
  readonly line: number;
  readonly machine: Body;
  readonly bootSource: Body | undefined;
  readonly drives: ReadonlyMap<string, Body>;
  readonly networks: ReadonlyMap<string, Body>;
  readonly devices: ReadonlyMap<string, Body>;
}

function viewOf({ line, machine, bootSource, drives, networks, devices }: Parts): Body {
  const device = (key: string) => devices.get(key) ?? null;
  // A custom template is not shown (src/vmm/src/resources.rs: `cpu_config: None`).
  return {
    balloon: device("balloon"),
    drives: [...drives.values()],
    "boot-source": bootSource ?? NO_BOOT_SOURCE,
    "cpu-config": null,
    logger: null,
    "machine-config": machine,
    metrics: null,
    "mmds-config": device("mmds-config"),
    "network-interfaces": [...networks.values()],
    vsock: device("vsock"),
    entropy: device("entropy"),
    ...(line < LINE.memoryHotplug ? {} : { pmem: [], "memory-hotplug": null }),
  };
}

export function createConfiguration(version: string): Configuration {
  const line = lineNumber(version);
  const pages = line < LINE.snapshotVersion ? {} : { huge_pages: "None" };
  const defaults: Body = { smt: false, track_dirty_pages: false, ...pages };

  let machine: Body = { vcpu_count: 1, mem_size_mib: 128, ...defaults };
  let bootSource: Body | undefined;
  let chosen: ChosenTemplate = { kind: "none" };
  const drives = new Map<string, Body>();
  const networks = new Map<string, Body>();
  const devices = new Map<string, Body>();

  function setMachine(body: Body, patch: boolean): void {
    const { cpu_template: name, ...rest } = body;
    const updated = { ...machine, ...(patch ? {} : defaults), ...rest };
    checkMachine(updated);
    machine = updated;
    if (name === "None") chosen = { kind: "none" };
    else if (typeof name === "string") chosen = { kind: "built-in", name };
    else if (!patch && line < LINE.keepsTemplate) chosen = { kind: "none" };
  }

  function setBootSource(body: Body): void {
    checkBootSource(body);
    bootSource = { ...NO_BOOT_SOURCE, ...body };
  }

  function setDrive(body: Body): void {
    checkDrive(body, drives);
    const { drive_id, partuuid, is_root_device, ...rest } = { ...DRIVE_DEFAULTS, ...body };
    drives.set(drive_id as string, { drive_id, partuuid, is_root_device, ...rest });
  }

  function machineConfig(): Body {
    const { vcpu_count, mem_size_mib, smt, ...rest } = machine;
    const name = chosen.kind === "built-in" ? { cpu_template: chosen.name } : {};
    return { vcpu_count, mem_size_mib, smt, ...name, ...rest };
  }

  function restore(saved: SavedState, trackDirtyPages: boolean): void {
    for (const drive of saved.drives) setDrive(drive);
    machine = { ...saved.machine, track_dirty_pages: trackDirtyPages };
    bootSource = saved.bootSource;
    chosen = { kind: "none" };
  }

  return {
    setMachine,
    setBootSource,
    setDrive,
    setNetwork: (body) => networks.set(body["iface_id"] as string, body),
    setDevice: (key, body) => devices.set(key, body),
    setTemplate: (template) => void (chosen = template),
    template: () => chosen,
    canBoot: () => bootSource !== undefined,
    machine: machineConfig,
    all: () => viewOf({ line, machine: machineConfig(), bootSource, drives, networks, devices }),
    save: (cpu) => ({
      machine,
      bootSource: bootSource ?? NO_BOOT_SOURCE,
      drives: [...drives.values()],
      cpu,
    }),
    restore,
  };
}
