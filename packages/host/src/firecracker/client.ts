/**
 * Firecracker's API over its Unix socket: the calls that the driver needs, typed.
 * Source: src/firecracker/swagger/firecracker.yaml, v1.5.0 to v1.16.0.
 */
import { request, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { API_BODY_LIMIT } from "@evenkeel/core";
import { HostError } from "../errors.ts";
import { pinSocket } from "../isolation/pinned.ts";

const DEFAULT_TIMEOUT = 10_000;

interface MachineConfig {
  readonly vcpu_count: number;
  readonly mem_size_mib: number;
  readonly smt: boolean;
  readonly cpu_template?: string;
  readonly track_dirty_pages: boolean;
}

interface BootSource {
  readonly kernel_image_path: string;
  readonly initrd_path?: string;
  readonly boot_args: string;
}

interface DriveConfig {
  readonly drive_id: string;
  readonly path_on_host: string;
  readonly is_root_device: boolean;
  readonly is_read_only: boolean;
}

interface NetworkInterfaceConfig {
  readonly iface_id: string;
  readonly host_dev_name: string;
  readonly guest_mac?: string;
}

interface VsockConfig {
  readonly guest_cid: number;
  readonly uds_path: string;
}

interface SnapshotCreate {
  readonly snapshot_type: "Full" | "Diff";
  readonly snapshot_path: string;
  readonly mem_file_path: string;
}

export interface SnapshotLoad {
  readonly snapshot_path: string;
  readonly mem_backend: { readonly backend_type: "File" | "Uffd"; readonly backend_path: string };
  readonly resume_vm: boolean;
  /** From 1.13 on; before, `enable_diff_snapshots`. */
  readonly track_dirty_pages?: boolean;
  readonly enable_diff_snapshots?: boolean;
}

interface InstanceInfo {
  readonly id: string;
  readonly state: "Not started" | "Running" | "Paused";
  readonly vmm_version: string;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Firecracker's answers are short; a compromised VMM may send forever. */
const ANSWER_LIMIT = 1024 * 1024;

async function readAll(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length;
    if (bytes > ANSWER_LIMIT) throw new Error(`an answer longer than ${ANSWER_LIMIT} bytes`);
    chunks.push(chunk as Buffer);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") };
}

/** What a refusal says: the API's `fault_message`, or the HTTP server's `error`. */
function faultOf(text: string): string {
  try {
    const { fault_message: fault, error } = JSON.parse(text) as Record<string, string | undefined>;
    return fault ?? error ?? text;
  } catch {
    return text;
  }
}

export interface FirecrackerClient {
  readonly instance: () => Promise<InstanceInfo>;
  readonly version: () => Promise<string>;
  readonly setMachine: (config: MachineConfig) => Promise<void>;
  /** `template`: the text of a custom CPU template. */
  readonly setCpu: (template: string) => Promise<void>;
  readonly setBootSource: (source: BootSource) => Promise<void>;
  readonly setDrive: (drive: DriveConfig) => Promise<void>;
  readonly setNetwork: (network: NetworkInterfaceConfig) => Promise<void>;
  readonly setVsock: (vsock: VsockConfig) => Promise<void>;
  readonly start: () => Promise<void>;
  readonly setState: (state: "Paused" | "Resumed") => Promise<void>;
  readonly createSnapshot: (snapshot: SnapshotCreate) => Promise<void>;
  readonly loadSnapshot: (snapshot: SnapshotLoad) => Promise<void>;
}

export interface ClientOptions {
  readonly socket: string;
  /** Milliseconds for calls that move no memory; ten seconds unless told otherwise. */
  readonly timeout?: number;
}

/** Creating and loading a snapshot moves all of a guest's memory. */
const SNAPSHOT_TIMEOUT_FACTOR = 30;

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** Milliseconds. */
  readonly limit: number;
}

/** One connection per call: Firecracker serves ten at a time, and an idle one costs memory here. */
function send(socket: string, { method, path, body, limit }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      Accept: "application/json",
      ...(body === "" ? {} : { "Content-Type": "application/json" }),
      ...(body === "" ? {} : { "Content-Length": Buffer.byteLength(body) }),
    };
    const signal = AbortSignal.timeout(limit);
    const { path: place, close } = pinSocket(socket);
    const createConnection = () => connect(place).once("connect", close).once("error", close);
    const outgoing = request({ method, path, headers, createConnection, signal });
    outgoing.once("response", (response) => {
      readAll(response).then(resolve, reject);
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

function failed(name: string, error: unknown, limit: number): HostError {
  const { name: kind, code, message } = error as NodeJS.ErrnoException;
  if (error instanceof HostError) return new HostError(error.code, `${name}: ${message}`);
  if (kind === "AbortError" || kind === "TimeoutError") {
    return new HostError("VMM_TIMEOUT", `${name}: no answer within ${limit / 1000} s`, {
      cause: error,
    });
  }
  return new HostError("VMM_GONE", `${name}: ${code ?? message}`, { cause: error });
}

export function createClient({
  socket,
  timeout = DEFAULT_TIMEOUT,
}: ClientOptions): FirecrackerClient {
  async function call(
    method: "GET" | "PUT" | "PATCH",
    path: string,
    body = "",
    limit = timeout,
  ): Promise<string> {
    const name = `${method} ${path}`;
    const size = Buffer.byteLength(body);
    if (size > API_BODY_LIMIT) {
      throw new HostError(
        "VMM_BODY_TOO_LARGE",
        `${name}: the body has ${size} bytes, Firecracker accepts ${API_BODY_LIMIT}`,
      );
    }
    const answer = await send(socket, { method, path, body, limit }).catch((error: unknown) => {
      throw failed(name, error, limit);
    });
    if (answer.status >= 200 && answer.status < 300) return answer.text;
    throw new HostError("VMM_REFUSED", `${name}: ${faultOf(answer.text)}`);
  }

  const put = async (path: string, body: object, limit?: number) => {
    await call("PUT", path, JSON.stringify(body), limit);
  };
  const get = async (path: string) => JSON.parse(await call("GET", path)) as unknown;
  const long = timeout * SNAPSHOT_TIMEOUT_FACTOR;

  return {
    instance: async () => (await get("/")) as InstanceInfo,
    version: async () =>
      ((await get("/version")) as { readonly firecracker_version: string }).firecracker_version,
    setMachine: (config) => put("/machine-config", config),
    setCpu: async (template) => {
      await call("PUT", "/cpu-config", template);
    },
    setBootSource: (source) => put("/boot-source", source),
    setDrive: (drive) => put(`/drives/${drive.drive_id}`, drive),
    setNetwork: (network) => put(`/network-interfaces/${network.iface_id}`, network),
    setVsock: (vsock) => put("/vsock", vsock),
    start: () => put("/actions", { action_type: "InstanceStart" }, long),
    setState: async (state) => {
      await call("PATCH", "/vm", JSON.stringify({ state }));
    },
    createSnapshot: (snapshot) => put("/snapshot/create", snapshot, long),
    loadSnapshot: (snapshot) => put("/snapshot/load", snapshot, long),
  };
}
