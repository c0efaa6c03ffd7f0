/** Several Firecracker releases on one node: who boots, who loads, and what the verdict goes by. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  ICE_LAKE,
  MACHINE,
  startNode,
  TEMPLATE,
  type NodeSetup,
  type TestNode,
} from "./support.ts";

const OLD = "1.12.1";
const NEW = "v1.16.1_abc";
const SIDE_BY_SIDE: NodeSetup = { double: { profile: ICE_LAKE }, releases: [OLD, NEW] };

/** The release's directory that a running sandbox's process was started from. */
async function releaseOf({ call, directory }: TestNode, id: string): Promise<string> {
  const { body } = await call("GET", `/v1/sandboxes/${id}`);
  const environment = readFileSync(`/proc/${body.pid}/environ`, "latin1");
  const settings = /EVENKEEL_DOUBLE=([^\0]*)/.exec(environment)?.[1] ?? "";
  return settings.slice(join(directory, "fc/").length).split("/")[0] ?? "";
}

test("the node says which releases it has", async () => {
  const { call } = await startNode(SIDE_BY_SIDE);
  const releases = ["1.12.1", "1.14.1", "1.16.1"];
  expect((await call("GET", "/v1/health")).body).toMatchObject({ version: "1.14.1", releases });
  expect((await call("GET", "/v1/profile")).body.firecracker).toEqual(releases);
});

test.each([
  [undefined, "1.14.1", "8.0.0"],
  [OLD, OLD, "6.0.0"],
  ["v1.12.1", OLD, "6.0.0"],
  ["1.16.1_abc", NEW, "10.0.0"],
] as const)(
  "a template that asks for %s is built by %s, and its snapshots go on with it",
  async (firecracker, version, snapshotFormat) => {
    const node = await startNode(SIDE_BY_SIDE);
    const { call } = node;
    const machine = { ...MACHINE, ...(firecracker === undefined ? {} : { firecracker }) };
    expect((await call("POST", "/v1/templates", { ...TEMPLATE, machine })).body).toMatchObject({
      name: "base",
      version,
    });
    const contract = await call("GET", "/v1/snapshots/base/contract");
    expect(contract.body).toMatchObject({ firecracker: version, snapshotFormat });

    const created = await call("POST", "/v1/sandboxes", { id: "one", from: "base" });
    expect([created.status, await releaseOf(node, "one")]).toEqual([201, version]);
    await call("POST", "/v1/sandboxes/one/pause");
    const paused = await call("GET", "/v1/snapshots/one.1/contract");
    expect(paused.body).toMatchObject({ firecracker: version, snapshotFormat });
    expect((await call("POST", "/v1/sandboxes/one/resume")).status).toBe(200);
    expect(await releaseOf(node, "one")).toBe(version);
  },
);

test("a sandbox that boots may name a release too, and keeps it over a restart", async () => {
  const node = await startNode(SIDE_BY_SIDE);
  const machine = { ...MACHINE, firecracker: OLD };
  expect((await node.call("POST", "/v1/sandboxes", { id: "one", machine })).status).toBe(201);
  const again = await node.restart();
  expect(await releaseOf(again, "one")).toBe(OLD);
  await again.call("POST", "/v1/sandboxes/one/pause");
  const contract = await again.call("GET", "/v1/snapshots/one.1/contract");
  expect(contract.body).toMatchObject({ firecracker: OLD, snapshotFormat: "6.0.0" });
});

test("a release that the node has not is refused, and those that it has are named", async () => {
  const { call } = await startNode(SIDE_BY_SIDE);
  const machine = { ...MACHINE, firecracker: "1.13.0" };
  const { status, body } = await call("POST", "/v1/templates", { ...TEMPLATE, machine });
  expect(status).toBe(400);
  expect(body.error).toMatchObject({
    code: "NO_SUCH_RELEASE",
    message: `no Firecracker "1.13.0" on this node (installed: 1.14.1, ${OLD}, ${NEW})`,
  });
});

test("a snapshot whose release went is refused, whatever a profile says is installed", async () => {
  const node = await startNode(SIDE_BY_SIDE);
  const machine = { ...MACHINE, firecracker: OLD };
  await node.call("POST", "/v1/templates", { ...TEMPLATE, machine });
  const without = await node.restart({ releases: [NEW] });
  const refused = await without.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  expect(refused.status).toBe(409);
  expect(refused.body.error).toMatchObject({ code: "RESUME_REFUSED", verdict: "incompatible" });
  expect(refused.body.error.findings).toMatchObject([
    { rule: "snapshot-format", promised: "6.0.0", offered: "1.14.1, 1.16.1" },
  ]);
  const back = await without.restart({ releases: [OLD] });
  expect((await back.call("POST", "/v1/sandboxes", { id: "one", from: "base" })).status).toBe(201);
  expect(await releaseOf(back, "one")).toBe(OLD);
});

test("where the release that took it went, another that loads its format takes its place", async () => {
  const node = await startNode({ ...SIDE_BY_SIDE, releases: ["1.13.1"] });
  const machine = { ...MACHINE, firecracker: "1.13.1" };
  await node.call("POST", "/v1/templates", { ...TEMPLATE, machine });
  const without = await node.restart({ releases: [] });
  const created = await without.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  expect([created.status, await releaseOf(without, "one")]).toEqual([201, "1.14.1"]);
});
