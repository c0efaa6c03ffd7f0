/** Whoever else is at the data directory: other agents, other processes, a full or a bad disk. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { lock } from "../src/store/lock.ts";
import {
  MACHINE,
  runs,
  smallDisk,
  startNode,
  TEMPLATE,
  temporaryDirectory,
  until,
  type TestNode,
} from "./support.ts";

const recordOf = ({ directory }: TestNode, id: string) =>
  join(directory, "d/sandboxes", `${id}.json`);

function flip(file: string, at = 40): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

test("of 25 that want a data directory at once, one gets it, whatever lies there", async () => {
  const directory = temporaryDirectory();
  const note = join(directory, "agent.lock");
  for (const before of [undefined, "999999 12345\n", "1 1\n", ""]) {
    if (before === undefined) rmSync(note, { force: true });
    else writeFileSync(note, before);
    const tries = await Promise.allSettled(Array.from({ length: 25 }, () => lock(directory, note)));
    const unlocks = tries.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(unlocks).toHaveLength(1);
    rmSync(note);
    await expect(lock(directory, note)).rejects.toMatchObject({ code: "DATA_IN_USE" });
    for (const unlock of unlocks) unlock();
  }
});

test("a FIFO or a link in the place of the lock's note is neither waited for nor written through", async () => {
  const directory = temporaryDirectory();
  const [note, victim] = [join(directory, "agent.lock"), join(directory, "victim")];
  writeFileSync(victim, "untouched");
  for (const plant of [
    () => spawnSync("mkfifo", [note]),
    () => symlinkSync(victim, note),
    () => mkdirSync(note),
  ]) {
    plant();
    const unlock = await lock(directory, note);
    await expect(lock(directory, note)).rejects.toMatchObject({ code: "DATA_IN_USE" });
    unlock();
    rmSync(note, { recursive: true });
  }
  expect(readFileSync(victim, "utf8")).toBe("untouched");
});

test("an agent in another PID namespace is refused as well", async (context) => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  const script = `exec 9<"$0" && flock -n -x 9`;
  const args = ["--pid", "--fork", "--mount-proc", "sh", "-c", script, join(node.directory, "d")];
  const { status, stderr } = spawnSync("unshare", args, { encoding: "utf8" });
  if (stderr.includes("Operation not permitted")) {
    process.stdout.write("skipped: no PID namespace can be made here\n");
    context.skip();
    return;
  }
  expect(status).toBe(1);
  expect(runs(body.pid)).toBe(true);
  expect(existsSync(join(node.directory, "d/vms/one/disks/rootfs"))).toBe(true);
});

test("a flipped byte in a guest's contract costs neither the guest nor its template", async () => {
  const node = await startNode();
  await node.call("POST", "/v1/templates", TEMPLATE);
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  await node.agent.close();
  flip(join(node.directory, "d/vms/one/contract.json"));
  const again = await node.restart();
  expect(await again.call("GET", "/v1/sandboxes/one")).toMatchObject({
    body: { state: "running", pid: body.pid },
  });
  expect((await again.call("GET", "/v1/snapshots")).body.snapshots).toHaveLength(1);
  expect((await again.call("POST", "/v1/sandboxes/one/pause")).status).toBe(200);
  expect((await again.call("POST", "/v1/sandboxes/one/resume")).status).toBe(200);
});

test("a guest whose contract is lost everywhere runs on, is never snapshotted, and can end", async () => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.agent.close();
  writeFileSync(join(node.directory, "d/vms/one/contract.json"), "");
  const again = await node.restart();
  expect(runs(body.pid)).toBe(true);
  expect((await again.call("GET", "/v1/sandboxes/one")).body.state).toBe("running");
  const { status, body: refused } = await again.call("POST", "/v1/sandboxes/one/pause");
  expect([status, refused.error.code]).toEqual([409, "WRONG_STATE"]);
  expect((await again.call("DELETE", "/v1/sandboxes/one")).status).toBe(204);
  expect(runs(body.pid)).toBe(false);
});

test("an unreadable record keeps its id, its VMM and its disks, until it is deleted", async () => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.agent.close();
  flip(recordOf(node, "one"), 0);
  const again = await node.restart();
  expect(runs(body.pid)).toBe(true);
  const created = await again.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  expect([created.status, created.body.error.code]).toEqual([409, "NAME_TAKEN"]);
  expect(runs(body.pid)).toBe(true);
  expect((await again.call("GET", "/v1/health")).body.unreadable).toEqual(["one"]);
  expect((await again.call("DELETE", "/v1/sandboxes/one")).status).toBe(204);
  expect(runs(body.pid)).toBe(false);
  expect(existsSync(join(node.directory, "d/vms/one"))).toBe(false);
  expect((await again.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE })).status).toBe(
    201,
  );
});

test("a record that names another process's pid ends nobody", async () => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.agent.close();
  const bystander = spawn("sleep", ["100"], { stdio: "ignore" });
  onTestFinished(() => void bystander.kill());
  const stat = readFileSync(`/proc/${bystander.pid}/stat`, "utf8");
  const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  const record = JSON.parse(readFileSync(recordOf(node, "one"), "utf8"));
  const vm = { ...record.vm, pid: bystander.pid, startTime };
  writeFileSync(recordOf(node, "one"), JSON.stringify({ ...record, vm }));
  const again = await node.restart();
  expect((await again.call("GET", "/v1/sandboxes/one")).body.pid).toBe(body.pid);
  expect((await again.call("DELETE", "/v1/sandboxes/one")).status).toBe(204);
  expect([runs(bystander.pid ?? 0), runs(body.pid)]).toEqual([true, false]);
});

test("a VMM that cannot be seen keeps its sandbox and its disks until it ends", async () => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.agent.close();
  process.kill(body.pid, "SIGKILL");
  await until("it is gone", () => !runs(body.pid));
  // As one in another PID namespace looks: nothing in /proc, and its console is open.
  const console = join(node.directory, "d/vms/one/console.log");
  const hidden = spawn("flock", ["-s", console, "sleep", "100"], { cwd: "/", stdio: "ignore" });
  onTestFinished(() => void spawnSync("pkill", ["-P", String(hidden.pid)]));
  await until("it holds", () => spawnSync("flock", ["-n", "-x", console, "true"]).status === 1);
  const again = await node.restart();
  expect((await again.call("GET", "/v1/sandboxes/one")).body.state).toBe("running");
  for (const [method, url] of [
    ["DELETE", "/v1/sandboxes/one"],
    ["POST", "/v1/sandboxes/one/pause"],
  ] as const) {
    const { status, body: refused } = await again.call(method, url);
    expect([status, refused.error.code]).toEqual([409, "OUT_OF_REACH"]);
  }
  expect(existsSync(join(node.directory, "d/vms/one/disks/rootfs"))).toBe(true);
  spawnSync("pkill", ["-P", String(hidden.pid)]);
  await until("it is found to have ended", async () => {
    return (await again.call("GET", "/v1/sandboxes/one")).body.state === "failed";
  });
  expect((await again.call("DELETE", "/v1/sandboxes/one")).status).toBe(204);
}, 30_000);

test("on a full disk the agent starts, finds its guests, and makes room", async (context) => {
  const small = smallDisk(64 * 1024 * 1024);
  if (small === undefined) {
    process.stdout.write("skipped: a small disk cannot be mounted here\n");
    context.skip();
    return;
  }
  const node = await startNode({ directory: small });
  await node.call("POST", "/v1/templates", TEMPLATE);
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  await node.call("POST", "/v1/sandboxes", { id: "two", from: "base" });
  await node.call("POST", "/v1/sandboxes/two/pause");
  await node.agent.close();
  mkdirSync(join(small, "ballast"));
  spawnSync("dd", ["if=/dev/zero", `of=${join(small, "ballast/all")}`, "bs=1M"]);
  spawnSync("dd", ["if=/dev/zero", `of=${join(small, "ballast/rest")}`, "bs=1"]);
  const again = await node.restart();
  const states = (await again.call("GET", "/v1/sandboxes")).body.sandboxes;
  expect(states).toMatchObject([
    { id: "one", state: "running", pid: body.pid },
    { id: "two", state: "paused" },
  ]);
  expect((await again.call("DELETE", "/v1/sandboxes/one")).status).toBe(204);
  expect((await again.call("DELETE", "/v1/sandboxes/two")).status).toBe(204);
  expect((await again.call("DELETE", "/v1/templates/base")).status).toBe(204);
  expect((await again.call("GET", "/v1/snapshots")).body.snapshots).toEqual([]);
}, 30_000);
