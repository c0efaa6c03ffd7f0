/** What isolation requires of a host, and what this host lacks, as messages for startup. */
import { constants, accessSync } from "node:fs";
import { runTool } from "../network/run.ts";
import { findCgroups, type Cgroups } from "./cgroups.ts";
import { hasJailer, jailerOf } from "./jailer.ts";
import type { Controller } from "./limits.ts";
import { maySetLimits } from "./rlimit.ts";

export interface IsolationCheck {
  /** Without these there is no isolation; each message says how to get it. */
  readonly missing: readonly string[];
  /** What is weaker than it should be; printed at every start. */
  readonly weaker: readonly string[];
  readonly cgroups: Cgroups;
}

const CONSEQUENCES: Readonly<Record<Controller, string>> = {
  cpu: "a guest can use all of the host's CPU time",
  memory: "a VMM can use more memory than its guest was given",
  pids: "a VMM can start any number of threads",
  io: "a guest can use all of the disk's bandwidth",
};

/** util-linux confines a VMM that has no jailer. */
const UTIL_LINUX = ["nsenter", "unshare", "prlimit", "setpriv"] as const;

async function toolMissing(command: string, from: string, flag = "--version"): Promise<string[]> {
  try {
    await runTool([command, flag]);
    return [];
  } catch {
    return [`\`${command}\` is missing: apt-get install ${from}`];
  }
}

async function missingFor(vmm: "firecracker" | "qemu", binary: string): Promise<string[]> {
  if (process.platform !== "linux") return ["isolation needs Linux: namespaces and control groups"];
  const root =
    process.getuid?.() === 0
      ? []
      : ["it needs root: the agent drops its VMMs' privileges, not its own"];
  const jailer =
    vmm === "firecracker" && !hasJailer(binary)
      ? [`${jailerOf(binary)} is missing: put the jailer of the same release next to Firecracker`]
      : [];
  const tools = [
    toolMissing("ip", "iproute2", "-V"),
    ...(vmm === "qemu" ? UTIL_LINUX.map((tool) => toolMissing(tool, "util-linux")) : []),
  ];
  return [...root, ...jailer, ...(await Promise.all(tools)).flat()];
}

function isReachable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function weaknesses({ missing, hierarchies }: Cgroups): string[] {
  const lacking = missing.map(
    (controller) => `no cgroup controller for ${controller}: ${CONSEQUENCES[controller]}`,
  );
  const old = hierarchies.filter(({ version }) => version === 1);
  const v1 =
    old.length === 0
      ? []
      : [
          `cgroup v1 is used for ${old.flatMap(({ controllers }) => controllers).join(", ")}: v2 would also limit buffered writes and swap`,
        ];
  const readOnly = hierarchies
    .filter(({ mount }) => !isReachable(mount))
    .map(({ mount }) => `${mount} is not writable: its limits do not apply`);
  const sizes = maySetLimits()
    ? []
    : [
        "CAP_SYS_RESOURCE is missing: files that a VMM writes are limited to 2 TiB, not to the size of its disks",
      ];
  return [...lacking, ...v1, ...readOnly, ...sizes];
}

export async function checkIsolation(
  vmm: "firecracker" | "qemu",
  binary: string,
): Promise<IsolationCheck> {
  const cgroups = findCgroups();
  const usable = cgroups.hierarchies.filter(({ mount }) => isReachable(mount));
  return {
    missing: await missingFor(vmm, binary),
    weaker: weaknesses(cgroups),
    cgroups: { ...cgroups, hierarchies: usable },
  };
}
