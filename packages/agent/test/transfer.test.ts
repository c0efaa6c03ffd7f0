/** Moving snapshots between nodes, and archives that are not what they say. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readTarHeader, tarHeader } from "../src/store/tar.ts";
import { startNode, TEMPLATE, until, type TestNode } from "./support.ts";

async function exported(node: TestNode): Promise<Buffer> {
  await node.call("POST", "/v1/templates", TEMPLATE);
  return (await node.agent.app.inject("/v1/snapshots/base/export")).rawPayload;
}

async function importInto(node: TestNode, payload: Buffer, name = "copy") {
  const headers = { "content-type": "application/x-tar" };
  const url = `/v1/snapshots/${name}`;
  const answer = await node.agent.app.inject({ method: "PUT", url, headers, payload });
  return { status: answer.statusCode, body: answer.json() };
}

test("an exported snapshot is a tar archive that other programs read", async () => {
  const archive = await exported(await startNode());
  const { stdout, status } = spawnSync("tar", ["-tf", "-"], { input: archive, encoding: "utf8" });
  expect(status).toBe(0);
  const files = stdout.trim().split("\n");
  expect(new Set(files)).toEqual(
    new Set(["metadata.json", "contract.json", "disks/rootfs", "memory", "state"]),
  );
});

test("an imported snapshot runs, under the name it was given", async () => {
  const node = await startNode();
  const archive = await exported(node);
  const imported = await importInto(node, archive);
  expect(imported).toMatchObject({ status: 201, body: { name: "copy", kind: "template" } });
  expect((await importInto(node, archive)).body.error.code).toBe("NAME_TAKEN");
  expect((await node.call("POST", "/v1/sandboxes", { from: "copy" })).status).toBe(201);
});

test("an archive that was cut short anywhere is refused, and nothing is left of it", async () => {
  const node = await startNode();
  const archive = await exported(node);
  const lengths = [0, 1, 511, 512, 700, 5000, archive.length >> 1, archive.length - 1024];
  for (const length of lengths) {
    const { status, body } = await importInto(node, archive.subarray(0, length));
    expect([status, body.error.code]).toEqual([400, "BAD_ARCHIVE"]);
  }
  expect(readdirSync(join(node.directory, "d/snapshots"))).toEqual(["base"]);
});

/** The archive with one header's path changed. */
function renamed(archive: Buffer, from: string, to: string): Buffer {
  const copy = Buffer.from(archive);
  for (let at = 0; at < copy.length; at += 512) {
    if (copy.toString("latin1", at, at + 100).replace(/\0.*$/s, "") !== from) continue;
    const header = readTarHeader(copy.subarray(at, at + 512));
    if (header !== undefined) tarHeader({ ...header, path: to }).copy(copy, at);
  }
  return copy;
}

test.each(["../state", "/etc/passwd", "disks/../../x", "disks/.x", "other", "memory"])(
  "an archive with %j in it is refused",
  async (path) => {
    const node = await startNode();
    const { status, body } = await importInto(node, renamed(await exported(node), "state", path));
    expect([status, body.error.code]).toEqual([400, "BAD_ARCHIVE"]);
    expect(readdirSync(join(node.directory, "d/snapshots"))).toEqual(["base"]);
  },
);

test("a contract that was changed on the way is refused", async () => {
  const node = await startNode();
  const archive = await exported(node);
  const at = archive.indexOf('"vcpus": 1', archive.indexOf("evenkeel/cpu-contract@1"));
  archive.write('"vcpus": 2', at);
  const { status, body } = await importInto(node, archive);
  expect([status, body.error.code]).toEqual([400, "BAD_ARCHIVE"]);
  expect(body.error.message).toContain("changed after it was made");
});

test("headers are read as they were written, also those of very large files", () => {
  const path = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,79}$/);
  const bytes = fc.maxSafeNat();
  fc.assert(
    fc.property(path, bytes, (name, size) => {
      expect(readTarHeader(tarHeader({ path: name, bytes: size }))).toEqual({
        path: name,
        bytes: size,
      });
    }),
  );
});

test("a snapshot that is deleted while it is read is read to its end", async () => {
  const node = await startNode();
  const whole = await exported(node);
  const reading = node.agent.app.inject("/v1/snapshots/base/export");
  await node.call("DELETE", "/v1/snapshots/base");
  const { rawPayload, statusCode } = await reading;
  expect(statusCode === 404 || rawPayload.equals(whole)).toBe(true);
  const left = () => readdirSync(join(node.directory, "d/snapshots"));
  await until("its files are gone", () => left().length === 0);
  expect((await node.call("GET", "/v1/snapshots")).body.snapshots).toEqual([]);
});
