/** Control groups: which controllers this host has, and one group per slot. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { HostError } from "../errors.ts";
import { CONTROLLERS, limitFiles, V1_NAMES, type Controller, type Limits } from "./limits.ts";

/** A hierarchy that has some of the controllers. */
interface Hierarchy {
  readonly version: 1 | 2;
  /** Where it is mounted. */
  readonly mount: string;
  readonly controllers: readonly Controller[];
}

export interface Cgroups {
  readonly hierarchies: readonly Hierarchy[];
  /** Controllers that are not available on this host: what they would limit stays unlimited. */
  readonly missing: readonly Controller[];
}

interface Mount {
  readonly mount: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** proc(5): device, mount point, type, options, two numbers. */
function parseMounts(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [, mount = "", type = "", options = ""] = line.split(" ");
    return type === "cgroup" || type === "cgroup2"
      ? [{ mount, type, options: options.split(",") }]
      : [];
  });
}

function words(path: string): string[] {
  try {
    return readFileSync(path, "utf8").trim().split(/\s+/);
  } catch {
    return [];
  }
}

/** What the host offers; v2 is preferred if it has the controller. */
export function findCgroups(mounts = readFileSync("/proc/mounts", "utf8")): Cgroups {
  const all = parseMounts(mounts);
  const hierarchies: Hierarchy[] = [];
  const found = new Set<Controller>();
  const add = (version: 1 | 2, mount: string, has: (controller: Controller) => boolean) => {
    const controllers = CONTROLLERS.filter((one) => !found.has(one) && has(one));
    for (const controller of controllers) found.add(controller);
    if (controllers.length > 0) hierarchies.push({ version, mount, controllers });
  };
  for (const { mount } of all.filter(({ type }) => type === "cgroup2")) {
    const offered = words(join(mount, "cgroup.controllers"));
    add(2, mount, (controller) => offered.includes(controller));
  }
  for (const { mount, options } of all.filter(({ type }) => type === "cgroup")) {
    add(1, mount, (controller) => options.includes(V1_NAMES[controller]));
  }
  return { hierarchies, missing: CONTROLLERS.filter((one) => !found.has(one)) };
}

/** All groups of a data directory are below one; the jailer's are named in the same way. */
function parentOf({ mount }: Hierarchy, tag: string): string {
  return join(mount, `evenkeel-${tag}`);
}

function enable({ version, mount, controllers }: Hierarchy, parent: string): void {
  if (version === 1) return;
  for (const directory of [mount, parent]) {
    const file = join(directory, "cgroup.subtree_control");
    const there = words(file);
    const missing = controllers.filter((one) => !there.includes(one));
    if (missing.length > 0) writeFileSync(file, missing.map((one) => `+${one}`).join(" "));
  }
}

function failed(path: string, cause: unknown): HostError {
  const { code = "failed" } = cause as NodeJS.ErrnoException;
  return new HostError("JAIL_FAILED", `${path}: ${code}`, { cause });
}

/** A group of a slot: one directory in each hierarchy. */
export interface Group {
  /** Writes the limits. Throws JAIL_FAILED if one is not accepted. */
  limit(limits: Limits): void;
  /** Moves a process with all its threads in. */
  join(pid: number): void;
  /** The pids that are in it. */
  members(): number[];
  /** Removes it if it is empty; returns whether it is gone. */
  remove(): boolean;
}

function write(path: string, value: string, optional = false): void {
  try {
    writeFileSync(path, value);
  } catch (error) {
    if (!optional) throw failed(`${path} = ${value}`, error);
  }
}

function removed(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/** Makes a slot's group, or finds the one that an earlier agent made. Throws JAIL_FAILED. */
export function openGroup({ hierarchies }: Cgroups, tag: string, slot: number): Group {
  const places = hierarchies.map((hierarchy) => {
    const parent = parentOf(hierarchy, tag);
    const path = join(parent, String(slot));
    try {
      mkdirSync(parent, { recursive: true });
      enable(hierarchy, parent);
      mkdirSync(path, { recursive: true });
    } catch (error) {
      throw failed(path, error);
    }
    return { hierarchy, path };
  });
  return {
    limit: (limits) => {
      for (const { hierarchy, path } of places) {
        for (const controller of hierarchy.controllers) {
          for (const { file, value, optional } of limitFiles(
            controller,
            hierarchy.version,
            limits,
          )) {
            write(join(path, file), value, optional);
          }
        }
      }
    },
    join: (pid) => {
      for (const { path } of places) write(join(path, "cgroup.procs"), String(pid));
    },
    members: () => {
      const pids = places.flatMap(({ path }) => words(join(path, "cgroup.procs")));
      return [...new Set(pids)].filter((pid) => pid !== "").map(Number);
    },
    remove: () => places.map(({ path }) => removed(path)).every(Boolean),
  };
}

/** Removes the groups' parents, if no slot has a group any more. */
export function dropGroups({ hierarchies }: Cgroups, tag: string): void {
  for (const hierarchy of hierarchies) removed(parentOf(hierarchy, tag));
}

/** The slots that have a group, whoever made it. */
export function groupsThere({ hierarchies }: Cgroups, tag: string): number[] {
  const names = hierarchies.flatMap((hierarchy) => {
    const parent = parentOf(hierarchy, tag);
    return existsSync(parent) ? readdirSync(parent) : [];
  });
  return [...new Set(names)].filter((name) => /^\d{1,6}$/.test(name)).map(Number);
}

/**
 * `major:minor` of the disk that holds a directory; I/O limits apply to whole disks. Undefined if
 * there is no such disk, as on Btrfs or overlayfs.
 */
export function diskOf(directory: string): string | undefined {
  const { dev } = statSync(directory, { bigint: true });
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const device = `${major}:${minor}`;
  try {
    const path = readlinkSync(`/sys/dev/block/${device}`);
    const link = join("/sys/dev/block", path);
    if (!existsSync(join(link, "partition"))) return device;
    return readFileSync(join(dirname(link), "dev"), "utf8").trim();
  } catch {
    return undefined;
  }
}
