/** The guest agent as a process's server, spoken to as E2B's SDKs do: Connect with JSON over HTTP. */
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGuestAgent } from "../src/index.ts";

const directory = mkdtempSync(join(tmpdir(), "ek-guest-"));
const TOKEN = "0123456789abcdef";
let base = "";
let close = (): void => undefined;

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are looked into by tests
type Json = any;

beforeAll(async () => {
  const server = await startGuestAgent(0, "127.0.0.1");
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  const body = JSON.stringify({ accessToken: TOKEN, envVars: { GREETING: "hello" } });
  const { status } = await fetch(`${base}/init`, { method: "POST", body });
  if (status !== 204) throw new Error(`/init answers ${status}`);
});
afterAll(() => {
  close();
  rmSync(directory, { recursive: true, force: true });
});

async function unary(
  rpc: string,
  message: object,
  token = TOKEN,
): Promise<{ status: number; body: Json }> {
  const headers = { "content-type": "application/json", "x-access-token": token };
  const answer = await fetch(`${base}/${rpc}`, {
    method: "POST",
    headers,
    body: JSON.stringify(message),
  });
  return { status: answer.status, body: await answer.json() };
}

function envelopes(bytes: Buffer): Json[] {
  const messages: Json[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32BE(at + 1);
    messages.push(JSON.parse(bytes.subarray(at + 5, at + 5 + length).toString("utf8")));
    at += 5 + length;
  }
  return messages;
}

/** All messages of a stream, its end the last. */
async function stream(rpc: string, message: object, more = {}): Promise<Json[]> {
  const text = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(text.length, 1);
  const headers = { "content-type": "application/connect+json", "x-access-token": TOKEN, ...more };
  const body = Buffer.concat([head, text]);
  const answer = await fetch(`${base}/${rpc}`, { method: "POST", headers, body });
  return envelopes(Buffer.from(await answer.arrayBuffer()));
}

async function run(command: string, more = {}): Promise<{ out: string; end: Json; last: Json }> {
  const process = { cmd: "/bin/bash", args: ["-c", command], cwd: directory };
  const messages = await stream("process.Process/Start", { process, stdin: false }, more);
  expect(messages[0].event.start.pid).toBeGreaterThan(0);
  const out = messages
    .map(({ event }) => Buffer.from(event?.data?.stdout ?? "", "base64").toString("utf8"))
    .join("");
  const end = messages.find(({ event }) => event?.end !== undefined)?.event.end;
  return { out, end, last: messages.at(-1) };
}

test("a command's output and end are streamed, with the variables of /init", async () => {
  expect(await run("echo $GREETING; pwd")).toEqual({
    out: `hello\n${directory}\n`,
    end: { exitCode: 0, exited: true, status: "exit status 0" },
    last: {},
  });
  expect((await run("exit 3")).end).toMatchObject({ exitCode: 3, exited: true });
  expect((await run("kill -9 $$")).end).toMatchObject({ exitCode: 137, exited: false });
  const long = await run("head -c 3000000 /dev/zero | tr '\\0' x");
  expect(long.out).toHaveLength(3_000_000);
  expect((await unary("process.Process/List", {})).body).toEqual({ processes: [] });
});

test("a command ends with its time, and all that it started", async () => {
  const { end } = await run("sleep 100 & sleep 100", { "connect-timeout-ms": "300" });
  expect(end).toMatchObject({ exitCode: 137 });
});

test("what cannot be started or is not there is an error of the protocol", async () => {
  const process = { cmd: "/no/such/program" };
  expect(await stream("process.Process/Start", { process })).toEqual([
    { error: { code: "not_found", message: "/no/such/program cannot be started" } },
  ]);
  const gone = await unary("filesystem.Filesystem/Stat", { path: "/no/such/file" });
  expect([gone.status, gone.body.code]).toEqual([404, "not_found"]);
  const pty = { process: { cmd: "/bin/sh" }, pty: { size: { cols: 80, rows: 24 } } };
  expect((await stream("process.Process/Start", pty))[0].error.code).toBe("unimplemented");
  expect((await unary("toString", {})).status).toBe(501);
});

test("who has another token than the first gets nothing, and cannot replace it", async () => {
  for (const token of ["", "wrong"]) {
    expect((await unary("process.Process/List", {}, token)).status).toBe(401);
    const again = JSON.stringify({ accessToken: token });
    expect((await fetch(`${base}/init`, { method: "POST", body: again })).status).toBe(401);
  }
  expect((await fetch(`${base}/files?path=/etc/passwd`)).status).toBe(401);
  expect((await fetch(`${base}/files?path=/etc/passwd&signature=v1_x`)).status).toBe(401);
  expect((await fetch(`${base}/health`)).status).toBe(204);
});

test("files are written as a form and as bytes, read, listed, moved and removed", async () => {
  const headers = { "x-access-token": TOKEN };
  const at = (path: string) => `${base}/files?path=${encodeURIComponent(path)}`;
  const [a, b] = [join(directory, "x/a.txt"), join(directory, "b.txt")];
  const form = new FormData();
  form.append("file", new Blob(["text of a"]), a);
  const written = await fetch(`${base}/files`, { method: "POST", headers, body: form });
  expect(await written.json()).toEqual([{ name: "a.txt", path: a, type: "file" }]);
  const bytes = { ...headers, "content-type": "application/octet-stream" };
  await fetch(at(b), { method: "POST", headers: bytes, body: "text of b" });
  expect(await (await fetch(at(b), { headers })).text()).toBe("text of b");
  expect((await fetch(at(directory), { headers })).status).toBe(400);
  const { body } = await unary("filesystem.Filesystem/ListDir", { path: directory, depth: 2 });
  expect(body.entries.map(({ path, type }: Json) => [path, type])).toEqual([
    [b, "FILE_TYPE_FILE"],
    [join(directory, "x"), "FILE_TYPE_DIRECTORY"],
    [a, "FILE_TYPE_FILE"],
  ]);
  await unary("filesystem.Filesystem/Move", { source: a, destination: join(directory, "y/c") });
  expect((await unary("filesystem.Filesystem/Stat", { path: a })).status).toBe(404);
  await unary("filesystem.Filesystem/Remove", { path: join(directory, "y") });
  expect((await unary("filesystem.Filesystem/Stat", { path: join(directory, "y/c") })).status).toBe(
    404,
  );
});

test("changes below a directory are kept for who asks for them", async () => {
  const path = join(directory, "watched");
  await unary("filesystem.Filesystem/MakeDir", { path });
  const { body } = await unary("filesystem.Filesystem/CreateWatcher", { path });
  await run(`echo 1 >${path}/new; rm ${path}/new`);
  await expect
    .poll(async () => {
      const { events } = (await unary("filesystem.Filesystem/GetWatcherEvents", body)).body;
      return (events as Json[]).map(({ name }) => name);
    })
    .toContain("new");
  expect((await unary("filesystem.Filesystem/RemoveWatcher", body)).status).toBe(200);
  expect((await unary("filesystem.Filesystem/RemoveWatcher", body)).status).toBe(404);
});
