/** Firecracker as a {@link VmmDriver}. */
import { does, formatTemplate, knownLine } from "@evenkeel/core";
import { HostError } from "../errors.ts";
import { pathIn } from "../path-in.ts";
import type { BootSpec, CpuChoice, LoadSpec, MicroVm, VmmDriver } from "../vmm.ts";
import { createClient, type FirecrackerClient, type SnapshotLoad } from "./client.ts";
import { fillForBoot, fillForLoad, takenThrough } from "../jailed-files.ts";
import { reap } from "./reap.ts";
import { adoptProcess, startProcess, type FirecrackerProcess } from "./process.ts";

export interface FirecrackerOptions {
  readonly binary: string;
  /** Its directory's name, such as `1.14.1` or `v1.14.1_431f1fc`. */
  readonly version: string;
  /** Milliseconds for an API call; ten seconds unless told otherwise. */
  readonly timeout?: number;
}

async function configureCpu(client: FirecrackerClient, cpu: CpuChoice): Promise<void> {
  // After the machine configuration, which up to 1.4 would have wiped it.
  if (cpu.kind === "template") await client.setCpu(formatTemplate(cpu.template));
}

async function configure(client: FirecrackerClient, spec: BootSpec): Promise<void> {
  const { directory, kernel, initrd, drives, networks = [], vsock, cpu } = spec;
  await client.setMachine({
    vcpu_count: spec.vcpus,
    mem_size_mib: spec.memoryMib,
    smt: spec.smt,
    ...(cpu.kind === "built-in" ? { cpu_template: cpu.name } : {}),
    track_dirty_pages: spec.trackDirtyPages ?? false,
  });
  await configureCpu(client, cpu);
  await client.setBootSource({
    kernel_image_path: kernel,
    ...(initrd === undefined ? {} : { initrd_path: initrd }),
    boot_args: spec.bootArgs,
  });
  for (const drive of drives) {
    await client.setDrive({
      drive_id: drive.id,
      path_on_host: pathIn(directory, drive.path),
      is_root_device: drive.root,
      is_read_only: drive.readOnly,
    });
  }
  for (const { id, hostDevice, mac } of networks) {
    const address = mac === undefined ? {} : { guest_mac: mac };
    await client.setNetwork({ iface_id: id, host_dev_name: hostDevice, ...address });
  }
  if (vsock !== undefined) {
    await client.setVsock({ guest_cid: vsock.cid, uds_path: pathIn(directory, vsock.path) });
  }
}

/** The flag for dirty pages has two names; where both are accepted, the old one is deprecated. */
function dirtyPages(version: string, track: boolean): Partial<SnapshotLoad> {
  return does(knownLine(version), "tracks-dirty-pages")
    ? { track_dirty_pages: track }
    : { enable_diff_snapshots: track };
}

function loadOf(spec: LoadSpec, version: string): SnapshotLoad {
  const { snapshot, memory } = spec;
  return {
    snapshot_path: snapshot.state,
    mem_backend:
      memory.kind === "file"
        ? { backend_type: "File", backend_path: snapshot.memory }
        : { backend_type: "Uffd", backend_path: memory.socket },
    resume_vm: false,
    ...dirtyPages(version, spec.trackDirtyPages ?? false),
  };
}

function microVm(running: FirecrackerProcess, client: FirecrackerClient): MicroVm {
  return {
    record: running.record,
    console: running.console,
    logs: running.logs,
    exited: running.exited,
    pause: () => client.setState("Paused"),
    resume: () => client.setState("Resumed"),
    snapshot: (files, kind) =>
      takenThrough(running.record.jail, files, ({ state, memory }) =>
        client.createSnapshot({
          snapshot_type: kind === "full" ? "Full" : "Diff",
          snapshot_path: state,
          mem_file_path: memory,
        }),
      ),
    kill: running.dispose,
  };
}

/** Appends Firecracker's last output to an error that only says that it is gone. */
function explained(error: unknown, running: FirecrackerProcess): unknown {
  if (!(error instanceof HostError) || error.code !== "VMM_GONE") return error;
  return new HostError("VMM_GONE", `${error.message}: ${running.lastWords()}`, { cause: error });
}

/** Throws UNKNOWN_VERSION for a release that core does not know. */
export function createFirecrackerDriver(options: FirecrackerOptions): VmmDriver {
  const { binary, version, timeout } = options;
  knownLine(version);
  const clientOf = (socket: string) =>
    createClient(timeout === undefined ? { socket } : { socket, timeout });

  /** Starts a process and prepares it; what fails leaves nothing behind. */
  async function launch(
    { directory, cell }: BootSpec | LoadSpec,
    prepare: (client: FirecrackerClient) => Promise<void>,
  ): Promise<MicroVm> {
    const running = await startProcess(binary, directory, cell);
    const client = clientOf(running.socket);
    try {
      await prepare(client);
      return microVm(running, client);
    } catch (error) {
      await running.dispose();
      throw explained(error, running);
    }
  }

  return {
    vmm: "firecracker",
    version,
    binary,
    boot: async (spec) => {
      const seen = await fillForBoot(spec);
      return launch(spec, async (client) => {
        await configure(client, seen);
        await client.start();
      });
    },
    load: async (spec) => {
      const seen = fillForLoad(spec);
      return launch(spec, async (client) => {
        await client.loadSnapshot(loadOf(seen, version));
      });
    },
    adopt: async (record) => {
      const running = adoptProcess(record);
      if (running === undefined) return undefined;
      const client = clientOf(running.socket);
      const answers = await client.instance().catch(() => undefined);
      return answers === undefined ? undefined : microVm(running, client);
    },
    reap: async (directory) => reap(directory),
  };
}
