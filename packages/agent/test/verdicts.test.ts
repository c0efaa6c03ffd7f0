/** The mixed pool of the bug report: built on Ice Lake, resumed on Cascade Lake. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SnapshotManifest, type OverrideRecord } from "@evenkeel/api";
import { formatProfile, planPool, readDocument } from "@evenkeel/core";
import { resolveTemplate, templateRequest } from "@evenkeel/host";
import { expect, test } from "vitest";
import type { CpuShape } from "../src/index.ts";
import { overridesWith } from "../src/sandboxes/record.ts";
import {
  CASCADE_LAKE,
  ICE_LAKE,
  loadProfile,
  startNode,
  TEMPLATE,
  temporaryDirectory,
  VERSION,
  type TestNode,
} from "./support.ts";

const onIceLake = { profile: ICE_LAKE, double: { profile: ICE_LAKE } };
const onCascadeLake = { profile: CASCADE_LAKE, double: { profile: CASCADE_LAKE } };

/** Builds a template on one node and brings it to another, as a tar stream. */
async function move(from: TestNode, to: TestNode, template: object): Promise<void> {
  expect(await from.call("POST", "/v1/templates", template)).toMatchObject({ status: 201 });
  const { rawPayload } = await from.agent.app.inject("/v1/snapshots/base/export");
  const imported = await to.agent.app.inject({
    method: "PUT",
    url: "/v1/snapshots/base",
    headers: { "content-type": "application/x-tar" },
    payload: rawPayload,
  });
  expect(imported.statusCode).toBe(201);
}

function named(findings: readonly { name: string; severity: string }[], severity: string) {
  return findings.filter((finding) => finding.severity === severity).map(({ name }) => name);
}

/** This pool's plan, as the shape that a node of it boots guests with. */
function planned(file: string): CpuShape {
  const nodes = [ICE_LAKE, CASCADE_LAKE].map((path, i) => ({
    ...loadProfile(path),
    name: `node-${i}`,
  }));
  const result = planPool(nodes);
  if (!result.ok) throw new Error("the pool can be planned");
  const node = file === ICE_LAKE ? "node-0" : "node-1";
  const found = result.plan.classes.find(({ nodeClass }) => nodeClass.nodes.includes(node));
  if (found === undefined) throw new Error("the node has a class");
  const { template } = found;
  const choice = { kind: "template", template } as const;
  return { choice, name: "plan", class: found.nodeClass.id, templateFor: () => template };
}

/** As FC_CPU_TEMPLATE=T2CL sets an agent up, where insecurity is allowed at boots. */
function withT2cl(file: string) {
  const cpu = resolveTemplate(templateRequest({ FC_CPU_TEMPLATE: "T2CL" }), {
    profile: loadProfile(file),
    versions: [VERSION],
    allowInsecure: true,
    read: () => undefined,
  });
  return { cpu, allowInsecure: true };
}

test("without a template a resume on the older CPU is refused, and the features are named", async () => {
  const [a, b] = [await startNode(onIceLake), await startNode(onCascadeLake)];
  await move(a, b, TEMPLATE);
  const { status, body } = await b.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  expect(status).toBe(409);
  expect(body.error).toMatchObject({ code: "RESUME_REFUSED", verdict: "incompatible" });
  const missing = named(body.error.findings, "incompatible");
  expect(missing).toEqual(expect.arrayContaining(["AVX512_VBMI2", "GFNI", "VAES", "SHA"]));
  expect((await b.call("GET", "/v1/sandboxes")).body.sandboxes).toEqual([]);
  // At home it runs.
  expect((await a.call("POST", "/v1/sandboxes", { from: "base" })).status).toBe(201);
});

test("with the pool's plan it is created, and may be paused there and taken back", async () => {
  const [a, b] = [
    await startNode({ ...onIceLake, cpu: planned(ICE_LAKE) }),
    await startNode({ ...onCascadeLake, cpu: planned(CASCADE_LAKE) }),
  ];
  await move(a, b, TEMPLATE);
  expect(await b.call("POST", "/v1/sandboxes", { id: "one", from: "base" })).toMatchObject({
    status: 201,
    body: { overrides: [] },
  });
  expect((await b.call("POST", "/v1/sandboxes/one/pause")).status).toBe(200);
  const { rawPayload } = await b.agent.app.inject("/v1/snapshots/one.1/export");
  const headers = { "content-type": "application/x-tar" };
  const url = "/v1/snapshots/back";
  await a.agent.app.inject({ method: "PUT", url, headers, payload: rawPayload });
  expect(await a.call("POST", "/v1/sandboxes", { from: "back" })).toMatchObject({ status: 201 });
});

test("with T2CL it is refused as insecure, and what is insecure is named", async () => {
  const [a, b] = [
    await startNode({ ...onIceLake, ...withT2cl(ICE_LAKE) }),
    await startNode({ ...onCascadeLake, ...withT2cl(CASCADE_LAKE) }),
  ];
  await move(a, b, TEMPLATE);
  const refused = await b.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  expect(refused.status).toBe(409);
  expect(refused.body.error.verdict).toBe("insecure");
  expect(named(refused.body.error.findings, "insecure")).toContain("RRSBA");
  expect(named(refused.body.error.findings, "incompatible")).toEqual([]);

  const override = { accept: "insecure", reason: "one tenant, own code" };
  const created = await b.call("POST", "/v1/sandboxes", { id: "one", from: "base", override });
  expect(created.status).toBe(201);
  expect(created.body.overrides).toMatchObject([{ verdict: "insecure", snapshot: "base" }]);
  expect(created.body.overrides[0]).toMatchObject({ reason: override.reason });
  expect(created.body.overrides[0].names).toContain("RRSBA");
  // What was gone against stays with all that comes of it.
  await b.call("POST", "/v1/sandboxes/one/pause");
  const { body } = await b.call("GET", "/v1/snapshots/one.1");
  expect(body.overrides).toEqual(created.body.overrides);
});

test("an override accepts what it names and nothing worse", async () => {
  const [a, b] = [await startNode(onIceLake), await startNode(onCascadeLake)];
  await move(a, b, TEMPLATE);
  const ask = (accept: string) =>
    b.call("POST", "/v1/sandboxes", { id: "one", from: "base", override: { accept, reason: "r" } });
  expect((await ask("unknown")).status).toBe(409);
  expect((await ask("insecure")).status).toBe(409);
  expect((await ask("incompatible")).status).toBe(201);
  // The guest counts on what is not there; its kernel says so, and the agent hears it.
  const { body } = await b.call("GET", "/v1/sandboxes/one");
  expect(body.overrides[0].names).toContain("AVX512_VBMI2");
});

test("what is unknown is refused, unless the operator allows it", async () => {
  const unlike = { ...loadProfile(ICE_LAKE), host: { kernel: "5.4.0" } };
  const directory = temporaryDirectory();
  const file = join(directory, "node.json");
  writeFileSync(file, formatProfile({ ...unlike, name: "node" }));
  const a = await startNode(onIceLake);
  const strict = await startNode({ profile: file, double: {} });
  await move(a, strict, TEMPLATE);
  const refused = await strict.call("POST", "/v1/sandboxes", { from: "base" });
  expect(refused.body.error).toMatchObject({ code: "RESUME_REFUSED", verdict: "unknown" });
  expect(named(refused.body.error.findings, "unknown")).toEqual(["host kernel"]);
  const lax = await startNode({ profile: file, double: {}, allowUnknown: true });
  const { rawPayload } = await a.agent.app.inject("/v1/snapshots/base/export");
  const headers = { "content-type": "application/x-tar" };
  const url = "/v1/snapshots/base";
  await lax.agent.app.inject({ method: "PUT", url, headers, payload: rawPayload });
  expect((await lax.call("POST", "/v1/sandboxes", { from: "base" })).status).toBe(201);
});

test.each([
  ["incompatible", CASCADE_LAKE, {}],
  ["unknown", ICE_LAKE, { host: { kernel: "5.4.0" } }],
] as const)(
  "an overridden %s stays one when the sandbox is paused there",
  async (verdict, file, change) => {
    const profile = join(temporaryDirectory(), "node.json");
    writeFileSync(profile, formatProfile({ ...loadProfile(file), ...change, name: "node" }));
    const [a, b] = [await startNode(onIceLake), await startNode({ profile, double: {} })];
    await move(a, b, TEMPLATE);
    const override = { accept: verdict, reason: "a trial" };
    const created = await b.call("POST", "/v1/sandboxes", { id: "one", from: "base", override });
    expect(created.status).toBe(201);
    for (let times = 1; times <= 2; times++) {
      expect((await b.call("POST", "/v1/sandboxes/one/pause")).status).toBe(200);
      const refused = await b.call("POST", "/v1/sandboxes/one/resume");
      expect(refused.body.error).toMatchObject({ code: "RESUME_REFUSED", verdict });
      const resumed = await b.call("POST", "/v1/sandboxes/one/resume", { override });
      expect(resumed.body.overrides).toHaveLength(times + 1);
    }
  },
);

test("a resume of a paused sandbox passes the verdict too", async () => {
  const node = await startNode(onIceLake);
  await node.call("POST", "/v1/templates", TEMPLATE);
  await node.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  await node.call("POST", "/v1/sandboxes/one/pause");
  // The same data directory on another CPU: a disk that was moved, or a firmware update.
  const moved = await node.restart({ profile: CASCADE_LAKE });
  const { status, body } = await moved.call("POST", "/v1/sandboxes/one/resume");
  expect(status).toBe(409);
  expect(body.error.verdict).toBe("incompatible");
  expect((await moved.call("GET", "/v1/sandboxes/one")).body.state).toBe("paused");
});

test("a template that this node cannot boot, or that wrongs guests, is refused before the boot", async () => {
  const { call } = await startNode(onIceLake);
  const build = (cpu: object) =>
    call("POST", "/v1/templates", { ...TEMPLATE, machine: { ...TEMPLATE.machine, cpu } });
  const t2a = await build({ kind: "built-in", name: "T2A" });
  expect(t2a.body.error.code).toBe("CPU_REFUSED");
  const absent = { leaf: "0x99", subleaf: "0x0", flags: 0, modifiers: [] };
  const custom = await build({ kind: "template", template: { cpuid_modifiers: [absent] } });
  expect(custom.status).toBe(409);
  expect(custom.body.error.message).toContain("not supported by KVM");
  const broken = await build({ kind: "template", template: { cpuid: [] } });
  expect(broken.status).toBe(400);
});

test("the contract beside a snapshot is what evenkeel check reads", async () => {
  const { call } = await startNode(onIceLake);
  await call("POST", "/v1/templates", TEMPLATE);
  const { body } = await call("GET", "/v1/snapshots/base/contract");
  const document = readDocument(body, "contract");
  expect(document.kind).toBe("contract");
  expect(body).toMatchObject({ firecracker: VERSION, snapshotFormat: "8.0.0", made: "predicted" });
});

test("a guest that went against verdicts again and again can still be snapshotted", () => {
  const record = (reason: string): OverrideRecord => {
    return {
      time: "2026-11-26T00:00:00Z",
      node: "a",
      snapshot: "s",
      verdict: "unknown",
      rules: [],
      names: [],
      reason,
    };
  };
  const before = Array.from({ length: 256 }, () => record("earlier"));
  const kept = overridesWith(before, [record("now")]);
  expect(SnapshotManifest.shape.overrides.safeParse(kept).error).toBeUndefined();
  expect(kept.at(-1)?.reason).toBe("now");
  expect(SnapshotManifest.shape.overrides.safeParse([...kept, ...kept]).success).toBe(false);
});
