/** Confinement: what a VMM has left, what it may take, and what a hostile one cannot do. */
import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { findKernel, qemuDriver, type VmmDriver } from "../src/index.ts";
import type { Cell } from "../src/isolation/cell.ts";
import { findCgroups, groupsThere } from "../src/isolation/cgroups.ts";
import { checkIsolation } from "../src/isolation/check.ts";
import { claim } from "../src/isolation/claim.ts";
import { fillForLoad, takenThrough } from "../src/jailed-files.ts";
import {
  giveForeign,
  giveLog,
  giveOwn,
  giveWritable,
  makeJail,
  removeJail,
} from "../src/isolation/jail.ts";
import { limitFiles } from "../src/isolation/limits.ts";
import { idOf, tagOf } from "../src/isolation/names.ts";
import { connectPinned } from "../src/isolation/pinned.ts";
import { openCells, type CellPool } from "../src/isolation/pool.ts";
import { usersFrom } from "../src/isolation/processes.ts";
import { networksThere } from "../src/network/namespaces.ts";
import { QEMU_BINARY } from "../src/qemu/driver.ts";

const FIRST = 0x7100_0000;

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "ek-isolation-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

let missing: string | undefined;
beforeAll(async () => {
  if (process.env["CI"] !== undefined) return;
  const check = await checkIsolation("qemu", QEMU_BINARY);
  const qemu = await qemuDriver({ cpu: "Haswell" }).catch((error: unknown) => String(error));
  if (typeof qemu === "string") missing = qemu;
  else if (check.missing.length > 0) missing = check.missing.join("; ");
});

interface Bench {
  readonly directory: string;
  readonly tag: string;
  readonly cells: CellPool;
  readonly open: () => CellPool;
}

/** Slots of a data directory of their own; nothing of them is left after the test. */
function startBench(ahead = 0): Bench {
  const directory = temporaryDirectory();
  const tag = tagOf(directory);
  const open = () =>
    openCells({
      tag,
      jails: join(directory, "jails"),
      binary: QEMU_BINARY,
      cgroups: findCgroups(),
      firstId: FIRST,
      overheadMib: 256,
      io: undefined,
      network: undefined,
      egress: { default: "deny", dns: false, rules: [] },
      ahead,
      report: (what, why) => process.stderr.write(`${what}: ${String(why)}\n`),
    });
  const cells = open();
  onTestFinished(async () => {
    await cells.close();
    const last = open();
    await last.reclaim();
    await last.close();
  });
  return { directory, tag, cells, open };
}

const SIZE = { vcpus: 1, memoryMib: 96, largestDisk: 0, egress: undefined };

async function boot(bench: Bench, driver: VmmDriver, name: string, cell: Cell) {
  const directory = join(bench.directory, name);
  mkdirSync(join(directory, "disks"), { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, "disks/rootfs"), Buffer.alloc(1024 * 1024));
  const kernel = await findKernel();
  const vm = await driver.boot({
    directory,
    kernel: kernel.path,
    drives: [{ id: "rootfs", path: join(directory, "disks/rootfs"), readOnly: false, root: true }],
    bootArgs: "console=ttyS0 quiet",
    vcpus: 1,
    smt: false,
    memoryMib: 96,
    cpu: { kind: "none" },
    cell,
  });
  onTestFinished(() => vm.kill());
  return vm;
}

function field(pid: number, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "m").exec(
    readFileSync(`/proc/${pid}/status`, "utf8"),
  )?.[1];
}

test("a confined QEMU has a user, namespaces and limits of its own, and no capabilities", async ({
  skip,
}) => {
  if (missing !== undefined) skip(missing);
  const bench = startBench();
  const driver = await qemuDriver({ cpu: "Haswell-noTSX" });
  const cell = await bench.cells.take("one", SIZE);
  const vm = await boot(bench, driver, "one", cell);
  const { pid } = vm.record;
  const id = String(idOf(cell.slot, FIRST));
  expect(field(pid, "Uid")?.split("\t")).toEqual([id, id, id, id]);
  expect(field(pid, "Gid")?.split("\t")).toEqual([id, id, id, id]);
  expect(field(pid, "Groups")).toBe("");
  expect([field(pid, "CapEff"), field(pid, "CapBnd"), field(pid, "NoNewPrivs")]).toEqual([
    "0000000000000000",
    "0000000000000000",
    "1",
  ]);
  for (const kind of ["net", "mnt", "pid", "ipc", "uts"]) {
    const [own, its] = ["self", pid].map((who) => readlinkSync(`/proc/${who}/ns/${kind}`));
    expect([kind, its === own]).toEqual([kind, false]);
  }
  expect(field(pid, "NSpid")).toBe(`${pid}\t1`);
  const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
  expect(limits).toMatch(/Max file size +167772160 /);
  expect(limits).toMatch(/Max open files +2048 /);
  expect(cell.group.members()).toContain(pid);
  await vm.kill();
});

test("the limits of a slot are the kernel's: too many processes are not started", async ({
  skip,
}) => {
  if (missing !== undefined) skip(missing);
  const { hierarchies } = findCgroups();
  const pids = hierarchies.find(({ controllers }) => controllers.includes("pids"));
  if (pids === undefined) skip("this host has no control group for pids");
  const bench = startBench();
  const cell = await bench.cells.take("one", SIZE);
  const shell = spawn("sh", ["-c", "read x; for i in $(seq 300); do sleep 5 & done; wait"], {
    stdio: ["pipe", "ignore", "pipe"],
    detached: true,
  });
  onTestFinished(() => void process.kill(-(shell.pid ?? 0), "SIGKILL"));
  cell.group.join(shell.pid ?? 0);
  const words: string[] = [];
  shell.stderr.on("data", (chunk: Buffer) => words.push(chunk.toString()));
  shell.stdin.end("\n");
  await expect.poll(() => words.join(""), { timeout: 10_000 }).toMatch(/fork/i);
  // The shell with its 128 children and one vCPU's thread more.
  expect(cell.group.members().length).toBeLessThanOrEqual(129);
});

test("both versions of control groups are written as the kernel documents them", () => {
  const io = { device: "253:0", mib: 10 };
  const limits = { vcpus: 2, memoryMib: 100, overheadMib: 28, tasks: 130, io };
  const text = (version: 1 | 2) =>
    (["cpu", "memory", "pids", "io"] as const).flatMap((controller) =>
      limitFiles(controller, version, limits).map(({ file, value }) => `${file}=${value}`),
    );
  expect(text(2)).toEqual([
    "cpu.max=250000 100000",
    "memory.max=134217728",
    "memory.swap.max=0",
    "memory.oom.group=1",
    "pids.max=130",
    "io.max=253:0 rbps=10485760 wbps=10485760",
  ]);
  expect(text(1)).toEqual([
    "cpu.cfs_period_us=100000",
    "cpu.cfs_quota_us=250000",
    "memory.limit_in_bytes=134217728",
    "memory.swappiness=0",
    "pids.max=130",
    "blkio.throttle.read_bps_device=253:0 10485760",
    "blkio.throttle.write_bps_device=253:0 10485760",
  ]);
});

test("a snapshot leaves a jail and enters another; the slot goes whole", async ({ skip }) => {
  if (missing !== undefined) skip(missing);
  const bench = startBench(1);
  const { cells, directory, tag } = bench;
  const driver = await qemuDriver({ cpu: "Haswell-noTSX" });
  const vm = await boot(bench, driver, "one", await cells.take("one", SIZE));
  await vm.pause();
  const store = join(directory, "store");
  mkdirSync(store, { mode: 0o700 });
  const files = { state: join(store, "state"), memory: join(store, "memory") };
  await vm.snapshot(files, "full");
  expect(statSync(files.memory)).toMatchObject({ uid: 0, nlink: 1 });
  expect(statSync(files.memory).size).toBeGreaterThan(100_000);
  await vm.kill();

  const cell = await cells.take("two", SIZE);
  const second = join(directory, "two");
  mkdirSync(join(second, "disks"), { recursive: true, mode: 0o700 });
  writeFileSync(join(second, "disks/rootfs"), Buffer.alloc(1024 * 1024));
  const drives = [
    { id: "rootfs", path: join(second, "disks/rootfs"), readOnly: false, root: true },
  ];
  const spec = { directory: second, snapshot: files, memory: { kind: "file" }, drives } as const;
  const loaded = await driver.load({ ...spec, cell });
  await loaded.resume();
  await loaded.pause();
  expect((await driver.adopt(loaded.record))?.record).toEqual(loaded.record);
  await cells.release("two");
  await cells.release("one");
  expect(usersFrom(idOf(cell.slot, FIRST), 1)).toEqual([]);
  expect(await driver.adopt(loaded.record)).toBeUndefined();
  await cells.close();
  expect([groupsThere(findCgroups(), tag), networksThere(tag)]).toEqual([[], []]);
  expect(readdirSync(join(directory, "jails", QEMU_BINARY))).toEqual([]);
});

test("what a killed agent has left is reclaimed, and what lives is not touched", async ({
  skip,
}) => {
  if (missing !== undefined) skip(missing);
  const bench = startBench();
  const driver = await qemuDriver({ cpu: "Haswell-noTSX" });
  const cell = await bench.cells.take("one", SIZE);
  const vm = await boot(bench, driver, "one", cell);
  await bench.cells.take("two", SIZE);
  // Another pool on the same directory stands for the agent that comes after.
  const later = bench.open();
  later.adopt("one", cell.slot);
  expect(await later.reclaim()).toEqual([cell.slot + 1]);
  expect(existsSync(`/proc/${vm.record.pid}/exe`)).toBe(true);
  await later.close();
  // Nor is one whose record nobody understands.
  const last = bench.open();
  expect(await last.reclaim([{ owner: "unreadable", directory: vm.record.directory }])).toEqual([]);
  expect(existsSync(`/proc/${vm.record.pid}/exe`)).toBe(true);
  const all = bench.open();
  expect(await all.reclaim()).toEqual([cell.slot]);
  expect(usersFrom(FIRST, 1000)).toEqual([]);
  await all.close();
  expect(existsSync(cell.root)).toBe(false);
  await vm.exited;
});

/** A jail without a VMM: the test itself does what a hostile one could do in there. */
function hostileJail() {
  const directory = temporaryDirectory();
  const jail = { root: join(directory, "j/root"), uid: FIRST };
  makeJail(jail);
  const victim = join(directory, "victim");
  mkdirSync(victim);
  return { directory, jail, victim };
}

const AS_ROOT = process.getuid?.() === 0 ? undefined : "jails need root";

test("a link in a jail's place for snapshots takes no file out of the jail", async ({ skip }) => {
  if (AS_ROOT !== undefined) skip(AS_ROOT);
  const { directory, jail, victim } = hostileJail();
  const files = { state: join(directory, "state"), memory: join(directory, "memory") };
  renameSync(join(jail.root, "taken"), join(jail.root, "away"));
  symlinkSync(victim, join(jail.root, "taken"));
  const take = takenThrough({ ...jail, slot: 0 }, files, async () => undefined);
  await expect(take).rejects.toThrow("has changed");
  expect(readdirSync(victim)).toEqual([]);

  // A directory of its own making is as bad: it could be renamed under the agent's hands.
  unlinkSync(join(jail.root, "taken"));
  execFileSync("install", ["-d", "-o", String(FIRST), join(jail.root, "taken")]);
  rmSync(files.state);
  await expect(takenThrough({ ...jail, slot: 0 }, files, async () => undefined)).rejects.toThrow(
    "has changed",
  );
  expect(readdirSync(join(jail.root, "taken"))).toEqual([]);
});

test("a snapshot's files are the agent's again, whatever the VMM has done to their names", async ({
  skip,
}) => {
  if (AS_ROOT !== undefined) skip(AS_ROOT);
  const { directory, jail, victim } = hostileJail();
  writeFileSync(join(victim, "secret"), "the host's", { mode: 0o600 });
  const files = { state: join(directory, "state"), memory: join(directory, "memory") };
  await takenThrough({ ...jail, slot: 0 }, files, async ({ state }) => {
    writeFileSync(join(jail.root, state), "state");
  });
  expect(readFileSync(files.state, "utf8")).toBe("state");
  expect(statSync(files.state)).toMatchObject({ uid: 0, nlink: 1 });
  // Its disk is read by the name outside.
  const disk = join(directory, "disk");
  writeFileSync(disk, "disk");
  giveWritable(jail, disk, "disks", "rootfs");
  unlinkSync(join(jail.root, "disks/rootfs"));
  symlinkSync(join(victim, "secret"), join(jail.root, "disks/rootfs"));
  expect(readFileSync(disk, "utf8")).toBe("disk");
  await removeJail(jail);
  expect(readFileSync(join(victim, "secret"), "utf8")).toBe("the host's");
});

test("a shared file is never handed out to be written to", ({ skip }) => {
  if (AS_ROOT !== undefined) skip(AS_ROOT);
  const { directory, jail } = hostileJail();
  writeFileSync(join(directory, "memory"), "template");
  linkSync(join(directory, "memory"), join(directory, "template"));
  expect(() => giveWritable(jail, join(directory, "memory"), "disks", "rootfs")).toThrow(
    "is shared",
  );
  giveOwn(jail, join(directory, "memory"), "snapshot", "memory");
  const given = statSync(join(jail.root, "snapshot/memory"));
  expect([given.uid, given.mode & 0o777]).toEqual([0, 0o444]);
  const asVmm = (command: string) =>
    execFileSync(
      "setpriv",
      [`--reuid=${FIRST}`, `--regid=${FIRST}`, "--clear-groups", "sh", "-c", command],
      {
        cwd: jail.root,
        encoding: "utf8",
        stdio: "pipe",
      },
    );
  expect(asVmm("cat snapshot/memory")).toBe("template");
  expect(() => asVmm("echo >>snapshot/memory")).toThrow("ermission denied");
  expect(() => asVmm("rm snapshot/memory")).toThrow("ermission denied");
  expect(() => asVmm("chmod u+w snapshot/memory")).toThrow("not permitted");
});

test("a kernel that only root may read is copied, another is linked; neither can be changed", async ({
  skip,
}) => {
  if (AS_ROOT !== undefined) skip(AS_ROOT);
  const { directory, jail } = hostileJail();
  writeFileSync(join(directory, "open"), "kernel", { mode: 0o644 });
  writeFileSync(join(directory, "secret"), "kernel", { mode: 0o600 });
  symlinkSync(join(directory, "open"), join(directory, "link"));
  await giveForeign(jail, join(directory, "open"), "kernel");
  await giveForeign(jail, join(directory, "secret"), "initrd");
  await giveForeign(jail, join(directory, "link"), "other");
  const given = ["kernel", "initrd", "other"].map((name) => join(jail.root, "snapshot", name));
  expect(given.map((path) => statSync(path).nlink)).toEqual([2, 1, 1]);
  expect(given.map((path) => readFileSync(path, "utf8"))).toEqual(["kernel", "kernel", "kernel"]);
  expect(statSync(join(directory, "secret")).mode & 0o777).toBe(0o600);
});

test("a socket is connected to, a link to one is not", async ({ skip }) => {
  if (AS_ROOT !== undefined) skip(AS_ROOT);
  const { jail, victim } = hostileJail();
  const server = createServer((socket) => socket.on("error", () => undefined).end("root only"));
  server.listen(join(victim, "s"));
  onTestFinished(() => void server.close());
  await sleep(50);
  symlinkSync(join(victim, "s"), join(jail.root, "firecracker.sock"));
  writeFileSync(join(jail.root, "file"), "");
  await expect(connectPinned(join(jail.root, "firecracker.sock"))).rejects.toThrow(
    "is not a socket",
  );
  await expect(connectPinned(join(jail.root, "file"))).rejects.toThrow("is not a socket");
  (await connectPinned(join(victim, "s"))).destroy();
});

test("a page-fault handler and a drive from elsewhere are refused, not reached around", ({
  skip,
}) => {
  if (AS_ROOT !== undefined) skip(AS_ROOT);
  const { directory, jail } = hostileJail();
  const cell = { ...jail, slot: 0 } as Cell;
  const snapshot = { state: join(directory, "state"), memory: join(directory, "memory") };
  const uffd = { kind: "uffd", socket: "/run/pages.sock" } as const;
  expect(() => fillForLoad({ directory, snapshot, memory: uffd, cell })).toThrow("from a file");
  const drive = { id: "d", path: "/etc/shadow", readOnly: true, root: false };
  const spec = { directory, snapshot, memory: { kind: "file" }, cell, drives: [drive] } as const;
  expect(() => fillForLoad(spec)).toThrow("/etc/shadow");
});

test("a log's file is the same outside and inside", ({ skip }) => {
  if (AS_ROOT !== undefined) skip(AS_ROOT);
  const { directory, jail } = hostileJail();
  writeFileSync(join(directory, "log"), "");
  giveLog(jail, join(directory, "log"), "firecracker.log");
  writeFileSync(join(jail.root, "firecracker.log"), "words");
  expect(readFileSync(join(directory, "log"), "utf8")).toBe("words");
});

test("users belong to one data directory, as long as it is there", () => {
  const [claims, one, two] = [temporaryDirectory(), temporaryDirectory(), temporaryDirectory()];
  const own = { directory: one, tag: "aaaa", firstId: 2_000_000 };
  claim(own, claims);
  claim(own, claims);
  const other = { directory: two, tag: "bbbb", firstId: 2_050_000 };
  expect(() => claim(other, claims)).toThrow(`users from 2000000 on belong to ${one}`);
  expect(() => claim({ ...other, tag: "aaaa", firstId: 3_000_000 }, claims)).toThrow("same names");
  claim({ ...other, firstId: 2_100_000 }, claims);
  rmSync(one, { recursive: true });
  claim({ ...other, firstId: 2_000_001 }, claims);
});

test("what is missing is named with the way to get it", async () => {
  const directory = temporaryDirectory();
  const { missing: lacking } = await checkIsolation("firecracker", join(directory, "firecracker"));
  expect(lacking.join("; ")).toContain(`${join(directory, "jailer")} is missing`);
  const none = findCgroups("proc /proc proc rw 0 0\n");
  expect(none).toEqual({ hierarchies: [], missing: ["cpu", "memory", "pids", "io"] });
});
