/** What a bad disk does to snapshots, and who signed them. */
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openEventLog } from "../src/events/log.ts";
import { scrub } from "../src/store/scrub.ts";
import { openSignatures } from "../src/store/signatures.ts";
import { openSnapshots } from "../src/store/snapshots.ts";
import { startNode, TEMPLATE, type NodeSetup, type TestNode } from "./support.ts";

const NOBODY = openSignatures({ signing: undefined, trusted: undefined });

async function nodeWithTemplate(setup: NodeSetup = {}): Promise<TestNode> {
  const node = await startNode(setup);
  expect((await node.call("POST", "/v1/templates", TEMPLATE)).status).toBe(201);
  return node;
}

function fileOf({ directory }: TestNode, name: string): string {
  return join(directory, "d/snapshots/base", name);
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

test.each(["state", "contract.json", "manifest.json", "metadata.json"])(
  "a flipped bit in %s is found at the next use, and named",
  async (name) => {
    const node = await nodeWithTemplate();
    flip(fileOf(node, name));
    for (const [method, url] of [
      ["POST", "/v1/sandboxes"],
      ["GET", "/v1/snapshots/base/export"],
    ] as const) {
      const body = method === "POST" ? { from: "base" } : undefined;
      const { status, body: refused } = await node.call(method, url, body);
      expect([status, refused.error.code]).toEqual([409, "SNAPSHOT_DAMAGED"]);
      expect(refused.error.message).toContain(name);
    }
    expect((await node.call("DELETE", "/v1/snapshots/base")).status).toBe(204);
  },
);

test.each(["memory", "disks/rootfs", "state", "contract.json"])(
  "what is no file, or a shorter one, in the place of %s is found at the next use, at once",
  async (name) => {
    const node = await nodeWithTemplate();
    const file = fileOf(node, name);
    const elsewhere = join(node.directory, "elsewhere");
    renameSync(file, elsewhere);
    for (const plant of [
      () => spawnSync("mkfifo", [file]),
      () => symlinkSync(elsewhere, file),
      () => symlinkSync("/dev/zero", file),
      () => mkdirSync(file),
      () => writeFileSync(file, readFileSync(elsewhere).subarray(0, -1)),
      () => undefined,
    ]) {
      plant();
      const { status, body } = await node.call("POST", "/v1/sandboxes", { from: "base" });
      expect([status, body.error.code]).toEqual([409, "SNAPSHOT_DAMAGED"]);
      expect(body.error.message).toContain(name);
      const exported = await node.call("GET", "/v1/snapshots/base/export");
      expect([exported.status, exported.body.error.code]).toEqual([409, "SNAPSHOT_DAMAGED"]);
      rmSync(file, { recursive: true, force: true });
    }
    renameSync(elsewhere, file);
    expect((await node.call("POST", "/v1/sandboxes", { from: "base" })).status).toBe(201);
  },
);

test.each(["memory", "disks/rootfs"])("a flipped bit in %s is found by a scrub", async (name) => {
  const node = await nodeWithTemplate();
  flip(fileOf(node, name));
  await node.agent.close();
  const root = join(node.directory, "d/snapshots");
  const snapshots = await openSnapshots(root, NOBODY, () => undefined);
  const told: unknown[] = [];
  const events = openEventLog(10, (event) => told.push(event));
  const stopping = new AbortController().signal;
  await scrub({ snapshots, events, stopping, everyMs: 1, report: () => undefined });
  expect(told).toMatchObject([{ type: "snapshot.damaged", subject: "base" }]);
  expect(JSON.stringify(told)).toContain(name);
  // It is kept in mind, and not used any more.
  const again = await node.restart();
  expect((await again.call("GET", "/v1/snapshots/base")).body.damaged).toContain(name);
  const { body } = await again.call("POST", "/v1/sandboxes", { from: "base" });
  expect(body.error.code).toBe("SNAPSHOT_DAMAGED");
});

test("memory is verified at a resume where the operator asks for it", async () => {
  const node = await nodeWithTemplate({ verifyOnResume: true });
  expect((await node.call("POST", "/v1/sandboxes", { from: "base" })).status).toBe(201);
  flip(fileOf(node, "memory"));
  const { status, body } = await node.call("POST", "/v1/sandboxes", { from: "base" });
  expect([status, body.error.code]).toEqual([409, "SNAPSHOT_DAMAGED"]);
  expect(body.error.message).toContain("memory");
});

function keys() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    signing: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    trusted: publicKey.export({ type: "spki", format: "pem" }) as string,
  };
}

async function moved(from: TestNode, to: TestNode) {
  const { rawPayload } = await from.agent.app.inject("/v1/snapshots/base/export");
  const headers = { "content-type": "application/x-tar" };
  const sent = { method: "PUT", url: "/v1/snapshots/copy", headers, payload: rawPayload } as const;
  const answer = await to.agent.app.inject(sent);
  return { status: answer.statusCode, body: answer.json() };
}

test("who signed a snapshot is known on the other node, and one that nobody trusted signed is refused", async () => {
  const [ours, theirs] = [keys(), keys()];
  const receiver = await startNode({ trustedKeys: ours.trusted });
  const signed = await nodeWithTemplate({ signingKey: ours.signing });
  const { status, body } = await moved(signed, receiver);
  expect(status).toBe(201);
  const { digest, signedBy } = (await signed.call("GET", "/v1/snapshots/base")).body;
  expect([body.digest, body.signedBy, signedBy]).toEqual([digest, signedBy, expect.any(String)]);
  expect((await receiver.call("POST", "/v1/sandboxes", { from: "copy" })).status).toBe(201);
  for (const setup of [{}, { signingKey: theirs.signing }]) {
    const other = await nodeWithTemplate(setup);
    const refused = await moved(other, await startNode({ trustedKeys: ours.trusted }));
    expect([refused.status, refused.body.error.code]).toEqual([403, "UNTRUSTED"]);
  }
});

test("a signature of another manifest, or none at all, is refused", async () => {
  const { signing, trusted } = keys();
  const node = await nodeWithTemplate({ signingKey: signing, trustedKeys: trusted });
  const signature = readFileSync(fileOf(node, "signature.json"), "utf8");
  await node.agent.close();
  const signatures = openSignatures({ signing: undefined, trusted });
  const digest = "0".repeat(64);
  for (const text of [
    signature,
    "{}",
    "",
    signature.replace(/"signature": "./, '"signature": "A'),
  ]) {
    expect(() => signatures.signer(digest, text)).toThrow(/signature/);
  }
  expect(() => signatures.requireTrusted(undefined, "it")).toThrow("it is not signed");
  for (const bad of [
    { signing: "none", trusted },
    { signing, trusted: "none" },
  ]) {
    expect(() => openSignatures(bad)).toThrow(/signingKey|trustedKeys/);
  }
  await node.restart();
});
