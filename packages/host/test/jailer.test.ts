/**
 * Firecracker behind its own jailer. Set EVENKEEL_FIRECRACKER to a binary that has the jailer of its
 * release beside it, under the names `firecracker` and `jailer`.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GREETING, writeTinyKernel } from "@evenkeel/firecracker-double";
import { expect, onTestFinished, test } from "vitest";
import { warmFirecracker } from "../src/firecracker/process.ts";
import { createFirecrackerDriver, type BootSpec, type MicroVm } from "../src/index.ts";
import { versionOf } from "../src/firecracker/release.ts";
import type { Cell } from "../src/isolation/cell.ts";
import { findCgroups, groupsThere } from "../src/isolation/cgroups.ts";
import { hasJailer, jailerArguments } from "../src/isolation/jailer.ts";
import { tagOf } from "../src/isolation/names.ts";
import { openCells } from "../src/isolation/pool.ts";
import { usersFrom } from "../src/isolation/processes.ts";

const FIRST = 0x7200_0000;
const BINARY = process.env["EVENKEEL_FIRECRACKER"] ?? "";

function missing(): string | undefined {
  if (BINARY === "") return "EVENKEEL_FIRECRACKER is not set";
  if (!hasJailer(BINARY)) return `there is no jailer beside ${BINARY}`;
  return process.getuid?.() === 0 ? undefined : "the jailer needs root";
}

function bench() {
  const directory = mkdtempSync(join(tmpdir(), "ek-jailer-"));
  const tag = tagOf(directory);
  const options = {
    tag,
    jails: join(directory, "jails"),
    binary: BINARY,
    cgroups: findCgroups(),
    firstId: FIRST,
    overheadMib: 64,
    io: undefined,
    network: undefined,
    egress: { default: "deny", dns: false, rules: [] },
    ahead: 1,
    warm: (cell: Cell) => warmFirecracker(BINARY, cell),
    report: (what: string, why: unknown) => process.stderr.write(`${what}: ${String(why)}\n`),
  } as const;
  const cells = openCells(options);
  onTestFinished(async () => {
    await cells.close();
    // What the test has not released is what an agent leaves that is killed.
    const last = openCells({ ...options, ahead: 0 });
    await last.reclaim();
    await last.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const driver = createFirecrackerDriver({ binary: BINARY, version: versionOf(BINARY) });
  return { directory, tag, cells, driver, another: () => openCells({ ...options, ahead: 0 }) };
}

const SIZE = { vcpus: 1, memoryMib: 16, largestDisk: 4096, egress: undefined };

function specIn(directory: string, name: string, cell: Cell): BootSpec {
  const own = join(directory, name);
  mkdirSync(join(own, "disks"), { recursive: true, mode: 0o700 });
  writeFileSync(join(own, "disks/rootfs"), Buffer.alloc(4096));
  const kernel = join(directory, "kernel");
  if (!existsSync(kernel)) writeTinyKernel(kernel);
  const drives = [{ id: "rootfs", path: join(own, "disks/rootfs"), root: true, readOnly: false }];
  const machine = { vcpus: 1, smt: false, memoryMib: 16, cpu: { kind: "none" } } as const;
  return { directory: own, kernel, drives, bootArgs: "console=ttyS0", ...machine, cell };
}

function killed(vm: MicroVm): MicroVm {
  onTestFinished(() => vm.kill());
  return vm;
}

function field(pid: number, name: string): string | undefined {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "m").exec(status)?.[1];
}

test("the jailer is asked for a user, a chroot, namespaces and limits", () => {
  const rlimits = { fileSize: 1000, files: 64 };
  const root = "/d/jails/firecracker/ek0-1/root";
  const cell = { id: "ek0-1", uid: 7, namespace: "/run/netns/n", rlimits, root } as Cell;
  expect(jailerArguments("/fc/firecracker", cell, ["--api-sock", "s"]).join(" ")).toBe(
    "--id ek0-1 --exec-file /fc/firecracker --uid 7 --gid 7 --chroot-base-dir /d/jails " +
      "--netns /run/netns/n --new-pid-ns --resource-limit fsize=1000 --resource-limit no-file=64 " +
      "-- --api-sock s",
  );
});

test("a jailed Firecracker boots, with nothing of the host in reach", async ({ skip }) => {
  const why = missing();
  if (why !== undefined) skip(why);
  const { directory, cells, driver } = bench();
  const cell = await cells.take("one", SIZE);
  const vm = killed(await driver.boot(specIn(directory, "one", cell)));
  const { pid } = vm.record;
  await expect
    .poll(() => readFileSync(vm.console, "utf8"), { timeout: 10_000 })
    .toContain(GREETING);
  const id = String(cell.uid);
  expect(field(pid, "Uid")?.split("\t")).toEqual([id, id, id, id]);
  expect([field(pid, "CapEff"), field(pid, "Seccomp"), field(pid, "NSpid")]).toEqual([
    "0000000000000000",
    "2",
    `${pid}\t1`,
  ]);
  for (const kind of ["net", "mnt", "pid"]) {
    const [own, its] = ["self", pid].map((who) => readlinkSync(`/proc/${who}/ns/${kind}`));
    expect([kind, its === own]).toEqual([kind, false]);
  }
  const [inside, outside] = [statSync(`/proc/${pid}/root/`), statSync(cell.root)];
  expect([inside.dev, inside.ino]).toEqual([outside.dev, outside.ino]);
  expect(readFileSync(`/proc/${pid}/limits`, "utf8")).toMatch(/Max open files +2048 /);
  expect(cell.group.members()).toContain(pid);
});

test("a snapshot goes from jail to jail, the VMM is adopted, and the slot goes whole", async ({
  skip,
}) => {
  const why = missing();
  if (why !== undefined) skip(why);
  const { directory, tag, cells, driver } = bench();
  const vm = killed(await driver.boot(specIn(directory, "one", await cells.take("one", SIZE))));
  await vm.pause();
  const files = { state: join(directory, "state"), memory: join(directory, "memory") };
  await vm.snapshot(files, "full");
  expect(statSync(files.memory)).toMatchObject({ uid: 0, nlink: 1, size: 16 * 1024 * 1024 });
  await vm.resume();
  await vm.kill();
  await cells.release("one");

  const cell = await cells.take("two", SIZE);
  const { directory: own, drives } = specIn(directory, "two", cell);
  const spec = { directory: own, snapshot: files, memory: { kind: "file" }, drives } as const;
  const loaded = killed(await driver.load({ ...spec, cell }));
  await loaded.resume();
  const adopted = await driver.adopt(loaded.record);
  await adopted?.pause();
  await adopted?.resume();
  await cells.release("two");
  expect(await loaded.exited).toEqual({ code: undefined, signal: undefined });
  expect(usersFrom(cell.uid, 1)).toEqual([]);
  await cells.close();
  expect(usersFrom(FIRST, 1000)).toEqual([]);
  expect(readdirSync(join(directory, "jails/firecracker"))).toEqual([]);
  expect(groupsThere(findCgroups(), tag)).toEqual([]);
});

test("a Firecracker that waits in its jail is taken at once, and is known by its files", async ({
  skip,
}) => {
  const why = missing();
  if (why !== undefined) skip(why);
  const { directory, cells, driver, another } = bench();
  await cells.reclaim();
  await expect.poll(() => usersFrom(FIRST, 1000).length, { timeout: 20_000 }).toBe(1);
  const [waiting] = usersFrom(FIRST, 1000);
  const cell = await cells.take("one", SIZE);
  const vm = killed(await driver.boot(specIn(directory, "one", cell)));
  expect(vm.record.pid).toBe(waiting?.pid);
  await expect
    .poll(() => readFileSync(vm.console, "utf8"), { timeout: 10_000 })
    .toContain(GREETING);
  await cells.close();
  // The agent that comes after does not understand the sandbox's record.
  const later = another();
  expect(await later.reclaim([{ owner: "unreadable", directory: vm.record.directory }])).toEqual(
    [],
  );
  expect(existsSync(`/proc/${vm.record.pid}/exe`)).toBe(true);
  const last = another();
  expect(await last.reclaim()).toEqual([cell.slot]);
  expect(existsSync(`/proc/${vm.record.pid}/exe`)).toBe(false);
  await last.close();
});

test("a start that fails says it in the jailer's or Firecracker's words", async ({ skip }) => {
  const why = missing();
  if (why !== undefined) skip(why);
  const { directory, cells, driver } = bench();
  const cell = await cells.take("one", SIZE);
  const spec = specIn(directory, "one", cell);
  await expect(
    driver.boot({ ...spec, cell: { ...cell, namespace: "/run/netns/none" } }),
  ).rejects.toThrow(/netns.none/);
  await cells.release("one");
  const second = await cells.take("two", SIZE);
  const two = specIn(directory, "two", second);
  writeFileSync(join(directory, "kernel"), "no kernel");
  await expect(driver.boot(two)).rejects.toThrow(/PUT .*[Kk]ernel/);
  expect(usersFrom(second.uid, 1)).toEqual([]);
});
