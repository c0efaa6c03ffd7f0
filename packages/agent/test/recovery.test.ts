/** What an agent finds again after it ended, in whatever state it was. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MACHINE, startNode, runs, TEMPLATE, until, type TestNode } from "./support.ts";

function recordFile({ directory }: TestNode, id: string): string {
  return join(directory, "d/sandboxes", `${id}.json`);
}

/** What a record would say had the agent been killed at another moment. */
function rewrite(node: TestNode, id: string, change: object): void {
  const file = recordFile(node, id);
  const record = JSON.parse(readFileSync(file, "utf8")) as object;
  writeFileSync(file, JSON.stringify({ ...record, ...change }));
}

const state = async ({ call }: TestNode, id: string) =>
  (await call("GET", `/v1/sandboxes/${id}`)).body?.state;

test("running sandboxes are found again and managed on; their deadlines stay", async () => {
  const node = await startNode();
  await node.call("POST", "/v1/templates", TEMPLATE);
  const before = await node.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  const again = await node.restart();
  expect((await again.call("GET", "/v1/sandboxes/one")).body).toEqual(before.body);
  expect((await again.call("POST", "/v1/sandboxes/one/pause")).status).toBe(200);
  expect((await again.call("POST", "/v1/sandboxes/one/resume")).status).toBe(200);
  process.kill((await again.call("GET", "/v1/sandboxes/one")).body.pid, "SIGKILL");
  await until("it failed", async () => (await state(again, "one")) === "failed");
});

test("a sandbox whose VMM died meanwhile has failed", async () => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.agent.close();
  process.kill(body.pid, "SIGKILL");
  await until("it is gone", () => !runs(body.pid));
  const again = await node.restart();
  // Its files may be open for a moment longer, and until then it may live somewhere out of sight.
  await expect.poll(() => state(again, "one"), { timeout: 10_000 }).toBe("failed");
});

test("an adopted guest that dies later is noticed as well", async () => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  const again = await node.restart();
  process.kill(body.pid, "SIGKILL");
  await until("it failed", async () => (await state(again, "one")) === "failed");
  expect((await again.call("GET", "/v1/sandboxes/one")).body.failure.message).toBe(
    "the VMM is gone",
  );
});

test("an adopted guest's snapshot is of the release it runs, whatever the agent drives now", async () => {
  const node = await startNode({ double: {} });
  await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.agent.close();
  const { vm } = JSON.parse(readFileSync(recordFile(node, "one"), "utf8")) as { vm: object };
  rewrite(node, "one", { vm: { ...vm, release: "1.12.1" } });
  const again = await node.restart();
  const paused = await again.call("POST", "/v1/sandboxes/one/pause");
  expect(paused.status).toBe(200);
  const { body } = await again.call("GET", `/v1/snapshots/${paused.body.snapshot}/contract`);
  expect(body).toMatchObject({ firecracker: "1.12.1", snapshotFormat: "6.0.0" });
  const resumed = await again.call("POST", "/v1/sandboxes/one/resume");
  expect([resumed.status, resumed.body.error.code]).toEqual([409, "RESUME_REFUSED"]);
});

test("a pause that was cut short before its snapshot was whole never was", async () => {
  const node = await startNode();
  await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.agent.close();
  rewrite(node, "one", { state: "pausing", pending: "one.1", taken: 1 });
  const half = join(node.directory, "d/snapshots/.new-half");
  mkdirSync(half);
  writeFileSync(join(half, "memory"), "half of it");
  const again = await node.restart();
  expect(await state(again, "one")).toBe("running");
  expect((await again.call("GET", "/v1/snapshots")).body.snapshots).toEqual([]);
  expect(readdirSync(join(node.directory, "d/snapshots"))).toEqual([]);
});

test("a pause that was cut short after its snapshot was whole is finished", async () => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  const running = readFileSync(recordFile(node, "one"), "utf8");
  await node.call("POST", "/v1/sandboxes/one/pause");
  await node.call("POST", "/v1/sandboxes", { id: "two", machine: MACHINE });
  await node.agent.close();
  writeFileSync(recordFile(node, "one"), running);
  rewrite(node, "one", { state: "pausing", pending: "one.1", taken: 1 });
  const again = await node.restart();
  expect(await state(again, "one")).toBe("paused");
  expect(runs(body.pid)).toBe(false);
  expect((await again.call("POST", "/v1/sandboxes/one/resume")).status).toBe(200);
});

test.each([
  ["before it was written down", { state: "paused", vm: undefined }],
  ["by an agent that wrote down that it began", { state: "resuming" }],
])("a resume that was cut short %s is paused again", async (_, change) => {
  const node = await startNode();
  await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.call("POST", "/v1/sandboxes/one/pause");
  const { body } = await node.call("POST", "/v1/sandboxes/one/resume");
  await node.agent.close();
  rewrite(node, "one", change);
  const again = await node.restart();
  expect(await state(again, "one")).toBe("paused");
  expect(runs(body.pid)).toBe(false);
  expect((await again.call("POST", "/v1/sandboxes/one/resume")).status).toBe(200);
});

test("a creation that was cut short has failed, and its VMM is ended, recorded or not", async () => {
  const node = await startNode();
  const pids = [];
  for (const id of ["noted", "lost"]) {
    pids.push((await node.call("POST", "/v1/sandboxes", { id, machine: MACHINE })).body.pid);
  }
  await node.agent.close();
  rewrite(node, "noted", { state: "creating" });
  rewrite(node, "lost", { state: "creating", vm: undefined });
  const again = await node.restart();
  for (const id of ["noted", "lost"]) expect(await state(again, id)).toBe("failed");
  for (const pid of pids) await until("it is gone", () => !runs(pid));
  expect(readdirSync(join(node.directory, "d/vms"))).toEqual([]);
});

test("a kill that was cut short is finished", async () => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.agent.close();
  rewrite(node, "one", { state: "killing" });
  const again = await node.restart();
  expect(await state(again, "one")).toBeUndefined();
  expect(runs(body.pid)).toBe(false);
});

test("a VMM that nobody knows is reaped, with its directory", async () => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.agent.close();
  rmSync(recordFile(node, "one"));
  const again = await node.restart();
  expect((await again.call("GET", "/v1/sandboxes")).body.sandboxes).toEqual([]);
  await until("it is gone", () => !runs(body.pid));
  expect(readdirSync(join(node.directory, "d/vms"))).toEqual([]);
});

test("a snapshot that is not whole is not listed", async () => {
  const node = await startNode();
  await node.call("POST", "/v1/templates", TEMPLATE);
  await node.call("POST", "/v1/templates", { ...TEMPLATE, name: "other" });
  await node.agent.close();
  writeFileSync(join(node.directory, "d/snapshots/base/memory"), "cut short");
  const again = await node.restart();
  const { body } = await again.call("GET", "/v1/snapshots");
  expect(body.snapshots.map(({ name }: { name: string }) => name)).toEqual(["other"]);
  // It is left for an operator to look at, and its name stays taken.
  const rebuilt = await again.call("POST", "/v1/templates", TEMPLATE);
  expect(rebuilt.body.error.code).toBe("NAME_TAKEN");
});

test("a record that nobody can read is left alone with its snapshot, and stops no other", async () => {
  const node = await startNode();
  await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  await node.call("POST", "/v1/sandboxes", { id: "two", machine: MACHINE });
  await node.call("POST", "/v1/sandboxes/two/pause");
  await node.agent.close();
  writeFileSync(recordFile(node, "two"), '{"id": "tw');
  writeFileSync(recordFile(node, "three"), readFileSync(recordFile(node, "one")));
  const again = await node.restart();
  expect(await state(again, "one")).toBe("running");
  const { body } = await again.call("GET", "/v1/snapshots");
  expect(body.snapshots).toMatchObject([{ name: "two.1" }]);
});

test("a data directory has one agent", async () => {
  const node = await startNode();
  const second = startNode({ directory: node.directory });
  await expect(second).rejects.toMatchObject({ code: "DATA_IN_USE", exitCode: 3 });
  // An agent that was killed has left its mark; it holds nobody up.
  await node.agent.close();
  writeFileSync(join(node.directory, "d/agent.lock"), "999999 12345\n");
  await node.restart();
});

test("a data directory whose path leaves no room for sockets is refused", async () => {
  const long = `/tmp/${"x".repeat(60)}`;
  await expect(startNode({ directory: long })).rejects.toMatchObject({ code: "BAD_CONFIG" });
  rmSync(long, { recursive: true, force: true });
});
