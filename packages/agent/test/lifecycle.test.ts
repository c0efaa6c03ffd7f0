/** A sandbox's life: from a template or a cold boot, through pauses, to its end. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MACHINE, startNode, runs, TEMPLATE, until } from "./support.ts";

test("a template is built, listed, run from and deleted", async () => {
  const { call, directory } = await startNode();
  const built = await call("POST", "/v1/templates", TEMPLATE);
  expect(built.body).toMatchObject({ name: "base", kind: "template", vcpus: 1, memoryMib: 16 });
  expect(built.status).toBe(201);
  expect((await call("GET", "/v1/templates")).body.templates).toHaveLength(1);

  const created = await call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  expect(created).toMatchObject({ status: 201, body: { id: "one", state: "running" } });
  expect(runs(created.body.pid)).toBe(true);

  expect((await call("DELETE", "/v1/templates/base")).status).toBe(204);
  expect((await call("GET", "/v1/templates/base")).status).toBe(404);
  expect((await call("GET", "/v1/sandboxes/one")).body.state).toBe("running");
  expect((await call("DELETE", "/v1/sandboxes/one")).status).toBe(204);
  expect(runs(created.body.pid)).toBe(false);
  expect(readdirSync(join(directory, "d/vms"))).toEqual([]);
  expect(readdirSync(join(directory, "d/sandboxes"))).toEqual([]);
  expect(readdirSync(join(directory, "d/snapshots"))).toEqual([]);
});

test("a sandbox is paused into a snapshot and goes on from it, again and again", async () => {
  const { call, directory } = await startNode();
  await call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  for (const n of [1, 2, 3]) {
    const paused = await call("POST", "/v1/sandboxes/one/pause");
    expect(paused).toMatchObject({ status: 200, body: { state: "paused", snapshot: `one.${n}` } });
    expect(paused.body.pid).toBeUndefined();
    expect(readdirSync(join(directory, "d/snapshots"))).toEqual([`one.${n}`]);
    expect(readdirSync(join(directory, "d/vms"))).toEqual([]);
    const resumed = await call("POST", "/v1/sandboxes/one/resume");
    expect(resumed).toMatchObject({ status: 200, body: { state: "running" } });
  }
});

test("two sandboxes of one template have disks of their own", async () => {
  const { call, directory } = await startNode();
  await call("POST", "/v1/templates", {
    ...TEMPLATE,
    machine: {
      ...MACHINE,
      disks: [...MACHINE.disks, { id: "tools", image: "tools", readOnly: true }],
    },
  });
  for (const id of ["a", "b"]) await call("POST", "/v1/sandboxes", { id, from: "base" });
  const inode = (id: string, disk: string) => statSync(join(directory, "d/vms", id, disk)).ino;
  expect(inode("a", "disks/rootfs")).not.toBe(inode("b", "disks/rootfs"));
  expect(inode("a", "disks/tools")).toBe(inode("b", "disks/tools"));
});

test("a state that an operation does not fit is refused, and says which it is", async () => {
  const { call } = await startNode();
  await call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  const resumed = await call("POST", "/v1/sandboxes/one/resume");
  expect(resumed.status).toBe(409);
  expect(resumed.body.error).toMatchObject({
    code: "WRONG_STATE",
    message: 'sandbox "one" is running, not paused',
  });
  await call("POST", "/v1/sandboxes/one/pause");
  expect((await call("POST", "/v1/sandboxes/one/pause")).status).toBe(409);
  expect((await call("DELETE", "/v1/snapshots/one.1")).body.error.code).toBe("IN_USE");
  expect((await call("DELETE", "/v1/sandboxes/one")).status).toBe(204);
  expect((await call("GET", "/v1/snapshots")).body.snapshots).toEqual([]);
});

test("two operations on one sandbox at once: one is done, the other told so", async () => {
  const { call, double } = await startNode({ double: {} });
  await call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  double.change({ version: "1.14.1", delays: { "PUT /snapshot/create": 300 } });
  const answers = await Promise.all([
    call("POST", "/v1/sandboxes/one/pause"),
    call("POST", "/v1/sandboxes/one/pause"),
    call("DELETE", "/v1/sandboxes/one"),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 409, 409]);
  expect(answers[2]?.body.error).toMatchObject({
    code: "BUSY",
    message: 'sandbox "one" is busy: being paused',
  });
});

test("one name is given once, also to two that ask at the same time", async () => {
  const { call } = await startNode();
  const builds = await Promise.all([1, 2].map(() => call("POST", "/v1/templates", TEMPLATE)));
  expect(new Set(builds.map(({ status }) => status))).toEqual(new Set([201, 409]));
  const same = await Promise.all(
    [1, 2].map(() => call("POST", "/v1/sandboxes", { id: "one", from: "base" })),
  );
  expect(new Set(same.map(({ status }) => status))).toEqual(new Set([201, 409]));
});

test("a deadline kills, or pauses, as the request said", async () => {
  const { call } = await startNode();
  await call("POST", "/v1/templates", TEMPLATE);
  const request = { from: "base", timeoutSeconds: 1 };
  await call("POST", "/v1/sandboxes", { ...request, id: "killed" });
  await call("POST", "/v1/sandboxes", { ...request, id: "paused", onTimeout: "pause" });
  await call("POST", "/v1/sandboxes", { ...request, id: "kept" });
  const kept = await call("PUT", "/v1/sandboxes/kept/timeout", { timeoutSeconds: 600 });
  expect(Date.parse(kept.body.deadline) - Date.now()).toBeGreaterThan(590_000);
  await until("both deadlines are kept", async () => {
    const paused = await call("GET", "/v1/sandboxes/paused");
    const killed = await call("GET", "/v1/sandboxes/killed");
    return paused.body.state === "paused" && killed.status === 404;
  });
  expect((await call("GET", "/v1/sandboxes/kept")).body.state).toBe("running");
});

test("a VMM that dies leaves a failed sandbox with its last output", async () => {
  const { call } = await startNode({ double: { console: ["Kernel panic - not syncing"] } });
  const { body } = await call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  process.kill(body.pid, "SIGKILL");
  await until("it failed", async () => {
    return (await call("GET", "/v1/sandboxes/one")).body.state === "failed";
  });
  const failed = await call("GET", "/v1/sandboxes/one");
  expect(failed.body.failure.message).toBe("the VMM was killed by SIGKILL");
  expect(failed.body.failure.console).toContain("Kernel panic");
  expect((await call("DELETE", "/v1/sandboxes/one")).status).toBe(204);
});

test("a guest that never gets ready is reported with its console, and nothing is left", async () => {
  const { call, directory } = await startNode({ double: { console: ["booting", "stuck"] } });
  const readiness = { ...TEMPLATE.readiness, timeoutSeconds: 1 };
  const { status, body } = await call("POST", "/v1/templates", { ...TEMPLATE, readiness });
  expect(status).toBe(504);
  expect(body.error.message).toContain("the guest was not ready after 1 s");
  expect(body.error.message).toContain("stuck");
  expect(readdirSync(join(directory, "d/vms"))).toEqual([]);
  expect(readdirSync(join(directory, "d/snapshots"))).toEqual([]);
});

test("what the VMM refuses is told in its own words, and nothing is left", async () => {
  const fault = { message: "Start microvm error: no KVM here" };
  const { call, directory } = await startNode({ double: { faults: { "PUT /actions": fault } } });
  const { status, body } = await call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  expect(status).toBe(500);
  expect(body.error.code).toBe("VMM_FAILED");
  expect(body.error.message).toContain("no KVM here");
  expect((await call("GET", "/v1/sandboxes")).body.sandboxes).toEqual([]);
  expect(readdirSync(join(directory, "d/vms"))).toEqual([]);
});
