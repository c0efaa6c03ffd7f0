/**
 * Requests as Firecracker parses them: method, path and body to one action.
 * Source: src/firecracker/src/api_server/parsed_request.rs and request/, v1.14.1.
 */
import { fault, FaultError } from "./fault.ts";
import { readFields, type Fields } from "./fields.ts";
import { parseBody } from "./json.ts";
import { LINE, lineNumber } from "./versions.ts";

export type Body = Readonly<Record<string, unknown>>;

type What = "instance" | "version" | "machine" | "config" | "mmds" | "balloon";

export type Action =
  | { readonly kind: "get"; readonly what: What }
  | { readonly kind: "boot-source" | "machine" | "cpu" | "drive" | "network"; readonly body: Body }
  | { readonly kind: "patch-machine" | "patch-drive" | "patch-network"; readonly body: Body }
  /** Settings that the double keeps and does nothing with. */
  | { readonly kind: "device"; readonly key: string; readonly body: Body; readonly boots: boolean }
  | { readonly kind: "mmds"; readonly value: unknown; readonly patch: boolean }
  | { readonly kind: "start" | "flush" | "ctrl-alt-del" | "pause" | "resume" }
  | { readonly kind: "create" | "load"; readonly body: Body }
  | { readonly kind: "unplug" };

export interface Parsed {
  readonly action: Action;
  readonly deprecated: boolean;
}

const REQUIRED = { string: { kind: "string" }, boolean: { kind: "boolean" } } as const;
const OPTIONAL_STRING = { kind: "string", optional: true } as const;
const FLAG = { kind: "boolean", defaulted: true } as const;
const STRUCT = { kind: "struct", optional: true } as const;
const TEMPLATES = ["C3", "T2", "T2S", "None", "T2CL", "T2A"] as const;

const BOOT_SOURCE: Fields = {
  kernel_image_path: REQUIRED.string,
  initrd_path: OPTIONAL_STRING,
  boot_args: OPTIONAL_STRING,
};

const DRIVE: Fields = {
  drive_id: REQUIRED.string,
  partuuid: OPTIONAL_STRING,
  is_root_device: REQUIRED.boolean,
  cache_type: { kind: ["Unsafe", "Writeback"], defaulted: true },
  is_read_only: { kind: "boolean", optional: true },
  path_on_host: OPTIONAL_STRING,
  rate_limiter: STRUCT,
  io_engine: { kind: ["Async", "Sync"], optional: true },
  socket: OPTIONAL_STRING,
};

const DRIVE_PATCH: Fields = {
  drive_id: REQUIRED.string,
  path_on_host: OPTIONAL_STRING,
  rate_limiter: STRUCT,
};

const NETWORK: Fields = {
  iface_id: REQUIRED.string,
  host_dev_name: REQUIRED.string,
  guest_mac: OPTIONAL_STRING,
  rx_rate_limiter: STRUCT,
  tx_rate_limiter: STRUCT,
};

const NETWORK_PATCH: Fields = {
  iface_id: REQUIRED.string,
  rx_rate_limiter: STRUCT,
  tx_rate_limiter: STRUCT,
};

const CREATE: Fields = {
  snapshot_type: { kind: ["Diff", "Full"], defaulted: true },
  snapshot_path: REQUIRED.string,
  mem_file_path: REQUIRED.string,
};

const BACKEND: Fields = {
  backend_path: REQUIRED.string,
  backend_type: { kind: ["File", "Uffd"] },
};

const MODIFIERS = { kind: "sequence", defaulted: true } as const;

const CPU: Readonly<Record<"x86_64" | "aarch64", Fields>> = {
  x86_64: {
    kvm_capabilities: MODIFIERS,
    cpuid_modifiers: MODIFIERS,
    msr_modifiers: MODIFIERS,
  },
  aarch64: { kvm_capabilities: MODIFIERS, vcpu_features: MODIFIERS, reg_modifiers: MODIFIERS },
};

/** Whom a request is made to. */
export interface Recipient {
  readonly version: string;
  readonly arch: "x86_64" | "aarch64";
}

function machineFields(line: number, patch: boolean): Fields {
  const required = patch ? { optional: true } : {};
  const defaulted = patch ? { optional: true } : { defaulted: true };
  return {
    vcpu_count: { kind: "u8", ...required },
    mem_size_mib: { kind: "usize", ...required },
    smt: { kind: "boolean", ...defaulted },
    cpu_template: { kind: TEMPLATES, optional: true },
    track_dirty_pages: { kind: "boolean", ...defaulted },
    ...(line < LINE.snapshotVersion ? {} : { huge_pages: { kind: ["None", "2M"], ...defaulted } }),
  };
}

function loadFields(line: number): Fields {
  const newer = line < LINE.trackDirtyPages ? {} : { track_dirty_pages: FLAG };
  return {
    snapshot_path: REQUIRED.string,
    mem_file_path: OPTIONAL_STRING,
    mem_backend: { ...STRUCT, fields: BACKEND },
    enable_diff_snapshots: FLAG,
    ...newer,
    resume_vm: FLAG,
    ...(line < LINE.networkOverrides
      ? {}
      : { network_overrides: { kind: "any", defaulted: true } }),
    ...(line < LINE.vsockOverride ? {} : { vsock_override: STRUCT }),
    ...(line < LINE.clockRealtime ? {} : { clock_realtime: FLAG }),
  };
}

/** Runs a reader of a body; its complaints are wrapped as Firecracker wraps serde's. */
function deserialize<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FaultError)) throw error;
    throw fault(
      `An error occurred when deserializing the json body of a request: ${error.message}.`,
    );
  }
}

function fields(text: string, spec: Fields, name: string): Body {
  return deserialize(() => readFields(text, spec, name));
}

function checkId(id: string | undefined): string {
  if (id === undefined || id === "") throw fault("The ID cannot be empty.");
  if (/^[\p{L}\p{N}_]+$/u.test(id)) return id;
  throw fault("API Resource IDs can only contain alphanumeric characters and underscores.");
}

function parseDrive(text: string, id: string | undefined, patch: boolean): Action {
  const checked = checkId(id);
  const body = fields(text, patch ? DRIVE_PATCH : DRIVE, "BlockDeviceConfig");
  if (body["drive_id"] !== checked) {
    throw fault("The id from the path does not match the id from the body!");
  }
  return { kind: patch ? "patch-drive" : "drive", body };
}

function parseNetwork(text: string, id: string | undefined, patch: boolean): Action {
  const checked = checkId(id);
  const body = fields(text, patch ? NETWORK_PATCH : NETWORK, "NetworkInterfaceConfig");
  if (body["iface_id"] === checked) return { kind: patch ? "patch-network" : "network", body };
  throw fault(
    `The id from the path [${checked}] does not match the id from the body [${body["iface_id"] as string}]!`,
  );
}

function parseAction(text: string): Action {
  const kinds = {
    FlushMetrics: "flush",
    InstanceStart: "start",
    SendCtrlAltDel: "ctrl-alt-del",
  } as const;
  const body = fields(text, { action_type: { kind: Object.keys(kinds) } }, "ActionBody");
  return { kind: kinds[body["action_type"] as keyof typeof kinds] };
}

function parseLoad(text: string, line: number): Parsed {
  const body = fields(text, loadFields(line), "LoadSnapshotConfig");
  const { mem_backend: backend, mem_file_path: file } = body;
  if ((backend === undefined) === (file === undefined)) {
    const message =
      backend === undefined
        ? "missing field: either `mem_backend` or `mem_file_path` is required"
        : "too many fields: either `mem_backend` or `mem_file_path` exclusively is required";
    throw fault(`An error occurred when deserializing the json body of a request: ${message}.`);
  }
  const memory = backend ?? { backend_type: "File", backend_path: file };
  const oldFlag = line >= LINE.trackDirtyPages && body["enable_diff_snapshots"] === true;
  const action: Action = { kind: "load", body: { ...body, mem_backend: memory } };
  return { action, deprecated: file !== undefined || oldFlag };
}

function parseSnapshot(text: string, operation: string | undefined, line: number): Parsed {
  if (operation === "load") return parseLoad(text, line);
  if (operation === "create")
    return now({ kind: "create", body: fields(text, CREATE, "CreateSnapshotParams") });
  if (operation === undefined) throw fault("Missing snapshot operation type.");
  throw invalidPath("PUT", `/snapshot/${operation}`);
}

function parseState(text: string): Action {
  const body = fields(text, { state: { kind: ["Paused", "Resumed"] } }, "Vm");
  return { kind: body["state"] === "Paused" ? "pause" : "resume" };
}

function now(action: Action): Parsed {
  return { action, deprecated: false };
}

function parseMachine(text: string, line: number, patch: boolean): Parsed {
  const name = patch ? "MachineConfigUpdate" : "MachineConfig";
  const body = fields(text, machineFields(line, patch), name);
  if (patch && Object.keys(body).length === 0) throw fault("Empty PATCH request.");
  const action: Action = { kind: patch ? "patch-machine" : "machine", body };
  return { action, deprecated: body["cpu_template"] !== undefined };
}

/** The double looks no further than whether it is an object. */
function parseDevice(key: string, text: string, boots = true): Action {
  const body = deserialize(() => parseBody(text)) as Body;
  return { kind: "device", key, body, boots };
}

function parseMmds(text: string, rest: string | undefined): Action {
  if (rest === "config") return parseDevice("mmds-config", text);
  if (rest !== undefined) throw fault(`Unrecognized PUT request path \`${rest}\`.`);
  return { kind: "mmds", value: deserialize(() => parseBody(text)), patch: false };
}

function parsePut(
  path: string,
  rest: string | undefined,
  text: string,
  { version, arch }: Recipient,
): Parsed {
  const line = lineNumber(version);
  switch (path) {
    case "actions":
      return now(parseAction(text));
    case "boot-source":
      return now({ kind: "boot-source", body: fields(text, BOOT_SOURCE, "BootSourceConfig") });
    case "cpu-config":
      return now({ kind: "cpu", body: fields(text, CPU[arch], "CustomCpuTemplate") });
    case "drives":
      return now(parseDrive(text, rest, false));
    case "machine-config":
      return parseMachine(text, line, false);
    case "mmds":
      return now(parseMmds(text, rest));
    case "network-interfaces":
      return now(parseNetwork(text, rest, false));
    case "snapshot":
      return parseSnapshot(text, rest, line);
    case "logger":
    case "metrics":
    case "serial":
      return now(parseDevice(path, text, false));
    case "balloon":
    case "entropy":
    case "vsock":
      return now(parseDevice(path, text));
    default:
      throw invalidPath("PUT", path);
  }
}

function parsePatch(
  path: string,
  rest: string | undefined,
  text: string,
  { version }: Recipient,
): Parsed {
  const line = lineNumber(version);
  switch (path) {
    case "drives":
      return now(parseDrive(text, rest, true));
    case "machine-config":
      return parseMachine(text, line, true);
    case "mmds":
      return now({ kind: "mmds", value: deserialize(() => parseBody(text)), patch: true });
    case "network-interfaces":
      return now(parseNetwork(text, rest, true));
    case "vm":
      return now(parseState(text));
    default:
      throw invalidPath("PATCH", path);
  }
}

const GETS = {
  "": "instance",
  version: "version",
  "machine-config": "machine",
  mmds: "mmds",
  balloon: "balloon",
} as const;

/** Whose devices `DELETE` unplugs; other releases have no such method. */
const UNPLUGGED = new Set(["drives", "pmem", "network-interfaces"]);

function invalidPath(method: string, path: string): FaultError {
  return fault(`Invalid request method and/or path: ${method} ${path}.`);
}

/** A path's parts: slashes before it count for nothing, nor does one behind it. */
function partsOf(path: string): string[] {
  const parts = path.replace(/^\/+/, "").split("/");
  return parts.at(-1) === "" ? parts.slice(0, -1) : parts;
}

export function parseRequest(
  method: string,
  target: string,
  text: string,
  recipient: Recipient,
): Parsed {
  const [path = "", rest] = partsOf(target);
  if (method === "GET") {
    if (text !== "") throw fault("GET request cannot have a body.");
    if (path === "vm" && rest === "config") return now({ kind: "get", what: "config" });
    if (path in GETS) return now({ kind: "get", what: GETS[path as keyof typeof GETS] });
    throw invalidPath(method, path);
  }
  if (method === "DELETE" && UNPLUGGED.has(path)) {
    checkId(rest);
    return now({ kind: "unplug" });
  }
  if (method !== "PUT" && method !== "PATCH") throw invalidPath(method, path);
  if (text === "") throw fault(`Empty ${method} request.`);
  return (method === "PUT" ? parsePut : parsePatch)(path, rest, text, recipient);
}
