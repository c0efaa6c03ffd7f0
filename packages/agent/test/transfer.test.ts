/** Moving snapshots between nodes, and archives that are not what they say. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { contractToJson, parseJson, prettyJson, readDocument } from "@evenkeel/core";
import { extract, pack, type Header } from "tar-stream";
import { expect, test } from "vitest";
import { CASCADE_LAKE, startNode, TEMPLATE, until, type TestNode } from "./support.ts";

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
    new Set(["manifest.json", "contract.json", "disks/rootfs", "memory", "state"]),
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

interface Part {
  readonly path: string;
  readonly content: Buffer;
  readonly type?: Header["type"];
  readonly pax?: Record<string, string>;
}

async function partsOf(archive: Buffer): Promise<Part[]> {
  const reading = extract();
  reading.end(archive);
  const parts: Part[] = [];
  for await (const entry of reading) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    parts.push({ path: entry.header.name, content: Buffer.concat(chunks) });
  }
  return parts;
}

async function archiveOf(parts: readonly Part[]): Promise<Buffer> {
  const writing = pack();
  for (const { path, content, type = "file", pax } of parts) {
    const header = {
      name: path,
      type,
      linkname: "/etc/passwd",
      ...(pax === undefined ? {} : { pax }),
    };
    if (type === "file") writing.entry(header, content);
    else writing.entry(header);
  }
  writing.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of writing) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const sha256 = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");

/** With one part's content changed, and the manifest made to fit where told so. */
function changed(
  parts: readonly Part[],
  path: string,
  change: (content: Buffer) => Buffer,
  refit = false,
): Part[] {
  const done = parts.map((part) =>
    part.path === path ? { ...part, content: change(part.content) } : part,
  );
  if (!refit) return done;
  return done.map((part) => {
    if (part.path !== "manifest.json") return part;
    const manifest = JSON.parse(part.content.toString());
    for (const file of manifest.files) {
      const content = done.find((one) => one.path === file.path)?.content ?? Buffer.alloc(0);
      [file.bytes, file.sha256] = [content.length, sha256(content)];
    }
    return { ...part, content: Buffer.from(JSON.stringify(manifest)) };
  });
}

const inManifest = (change: (manifest: Record<string, unknown>) => void) => (content: Buffer) => {
  const manifest = JSON.parse(content.toString());
  change(manifest);
  return Buffer.from(JSON.stringify(manifest));
};

/** Why an archive is refused; fails where it is not, or where something is left of it. */
async function refusal(node: TestNode, parts: readonly Part[]): Promise<string> {
  const { status, body } = await importInto(node, await archiveOf(parts));
  expect([status, body.error.code]).toEqual([400, "BAD_ARCHIVE"]);
  expect(readdirSync(join(node.directory, "d/snapshots"))).toEqual(["base"]);
  return body.error.message as string;
}

test.each([
  "../state",
  "/etc/passwd",
  "disks/../../x",
  "disks/.x",
  "other",
  "memory",
  "metadata.json",
])("an archive with %j in it is refused", async (path) => {
  const node = await startNode();
  const parts = await partsOf(await exported(node));
  const renamed = parts.map((part) => (part.path === "state" ? { ...part, path } : part));
  expect(await refusal(node, renamed)).toMatch(/does not belong|occurs twice|has \d+ bytes/);
  // Under another name as PAX says it.
  const hidden = parts.map((part) => (part.path === "state" ? { ...part, pax: { path } } : part));
  expect(await refusal(node, hidden)).toMatch(/does not belong|occurs twice|has \d+ bytes/);
});

test.each(["symlink", "link", "directory", "fifo", "block-device"] as const)(
  "an archive with a %s in it is refused",
  async (type) => {
    const node = await startNode();
    const parts = await partsOf(await exported(node));
    const odd = parts.map((part) => (part.path === "state" ? { ...part, type } : part));
    expect(await refusal(node, odd)).toMatch("is not a regular file");
    expect(
      await refusal(node, [{ path: "manifest.json", content: Buffer.alloc(0), type }]),
    ).toMatch("not a regular file");
  },
);

test("a flipped bit anywhere is found, and named", async () => {
  const node = await startNode();
  const parts = await partsOf(await exported(node));
  const flip = (content: Buffer) => {
    const copy = Buffer.from(content);
    copy[content.length >> 1] = (copy[content.length >> 1] ?? 0) ^ 1;
    return copy;
  };
  for (const { path } of parts.filter((one) => one.path !== "manifest.json")) {
    expect(await refusal(node, changed(parts, path, flip))).toMatch(path);
  }
});

test("another snapshot's contract is refused, also one whose digests were made to fit", async () => {
  const node = await startNode();
  const other = await startNode({ profile: CASCADE_LAKE });
  const parts = await partsOf(await exported(node));
  const theirs = (await partsOf(await exported(other))).find(
    ({ path }) => path === "contract.json",
  );
  const swap = () => theirs?.content ?? Buffer.alloc(0);
  expect(await refusal(node, changed(parts, "contract.json", swap))).toMatch("contract.json");
  expect(await refusal(node, changed(parts, "contract.json", swap, true))).toMatch(
    "contract.json is not the one",
  );
  // Edited, with its own digest computed anew.
  const edited = (content: Buffer) => {
    const document = readDocument(parseJson(content.toString()), "");
    if (document.kind !== "contract") throw new Error("no contract");
    return Buffer.from(prettyJson(contractToJson({ ...document.contract, kernel: "9.9.9" })));
  };
  expect(await refusal(node, changed(parts, "contract.json", edited))).toMatch("contract.json");
  expect(await refusal(node, changed(parts, "contract.json", edited, true))).toMatch(
    "contract.json is not the one",
  );
});

test.each<[string, unknown]>([
  ["vcpus", -5],
  ["vcpus", 2],
  ["vcpus", 1.5],
  ["memoryMib", 8],
  ["memoryMib", 32],
  ["memoryMib", 1e15],
  ["version", "1.5.0"],
  ["node", "x".repeat(1000)],
  ["vmm", "other"],
  ["disks", []],
  ["disks", [{ id: "../x", readOnly: false, root: true }]],
  ["labels", { a: 1 }],
  ["files", []],
  ["extra", true],
])("a manifest whose %s is %j is refused", async (key, value) => {
  const node = await startNode();
  const parts = await partsOf(await exported(node));
  const edit = inManifest((manifest) => void (manifest[key] = value));
  expect(await refusal(node, changed(parts, "manifest.json", edit))).toMatch(
    /manifest\.json|does not belong|not the one/,
  );
});

test("a manifest that is not first, or not there, or endless headers, are refused", async () => {
  const node = await startNode();
  const parts = await partsOf(await exported(node));
  expect(await refusal(node, parts.toReversed())).toMatch("must come first");
  expect(await refusal(node, parts.slice(1))).toMatch("must come first");
  expect(await refusal(node, [])).toMatch("ends too early");
  expect(await refusal(node, parts.slice(0, -1))).toMatch(/files differ|missing/);
  const more = { path: "state", content: Buffer.alloc(9_000_000) };
  expect(await refusal(node, [...parts, more])).toMatch("occurs twice");
  const global = await archiveOf([
    { path: "x", content: Buffer.alloc(0), pax: { comment: "y".repeat(100_000) } },
  ]);
  const endless = Buffer.concat(Array.from({ length: 60 }, () => global.subarray(0, 101_376)));
  const { status } = await importInto(node, endless);
  expect(status).toBe(400);
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
