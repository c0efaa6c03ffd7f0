/** Callers that hold connections open, and what else strains the API. */
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, request, type ClientRequest, type IncomingMessage } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, onTestFinished, test, vi } from "vitest";
import { listen, parseAddress } from "../src/index.ts";
import { openEventLog } from "../src/events/log.ts";
import { eventStreams } from "../src/http/events.ts";
import { consoleEnd } from "../src/sandboxes/console.ts";
import { openSignatures } from "../src/store/signatures.ts";
import { openSnapshots } from "../src/store/snapshots.ts";
import { MACHINE, startNode, TEMPLATE, until, type NodeSetup, type TestNode } from "./support.ts";

const STALLS = { periodMs: 300, lingerMs: 300 };

async function listening(setup: NodeSetup = {}): Promise<TestNode & { readonly port: number }> {
  const node = await startNode({ stalls: STALLS, ...setup });
  const base = await listen(node.agent, parseAddress("127.0.0.1:0"));
  return { ...node, port: Number(new URL(base).port) };
}

function opened(port: number, head: string): Socket & { text: () => string; over: () => boolean } {
  const socket = connect(port, "127.0.0.1");
  let [text, over] = ["", false];
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  socket.once("close", () => (over = true));
  socket.write(head);
  onTestFinished(() => void socket.destroy());
  return Object.assign(socket, { text: () => text, over: () => over });
}

const HEAD = "Host: a\r\nContent-Type: application/x-tar\r\nContent-Length: 1000000000\r\n\r\n";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

test("a refused import is answered while it is still being sent, and then ended", async () => {
  const { call, port } = await listening();
  await call("POST", "/v1/templates", TEMPLATE);
  for (const [path, status] of [
    ["/v1/snapshots/base", 409],
    ["/v1/snapshots/new", 400],
    ["/v1/snapshots/..", 400],
  ] as const) {
    const socket = opened(port, `PUT ${path} HTTP/1.1\r\n${HEAD}`);
    const sending = setInterval(() => socket.write(Buffer.alloc(256 * 1024)), 10);
    onTestFinished(() => clearInterval(sending));
    await until("it is answered", () => socket.text().includes("\r\n\r\n"));
    expect(socket.text()).toContain(`HTTP/1.1 ${status}`);
    await until("it is ended", () => socket.over());
    clearInterval(sending);
  }
});

test("a body that is never finished, or comes in drops, is not waited for", async () => {
  const { port } = await listening();
  const silent = [
    opened(port, `PUT /v1/snapshots/new HTTP/1.1\r\n${HEAD}`),
    opened(
      port,
      "POST /v1/templates HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nContent-Type: application/json\r\n\r\n{",
    ),
    opened(
      port,
      "POST /v1/sandboxes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n",
    ),
  ];
  const dripping = opened(port, `PUT /v1/snapshots/drip HTTP/1.1\r\n${HEAD}`);
  const drops = setInterval(() => dripping.write("\0"), 20);
  onTestFinished(() => clearInterval(drops));
  const all = [...silent, dripping];
  await until("all are ended", () => all.every((socket) => socket.over()));
  expect(all.map((socket) => socket.text()).join("")).not.toContain("HTTP/1.1 2");
});

function get(port: number, path: string): Promise<IncomingMessage> {
  return new Promise((settle, reject) => {
    const sent: ClientRequest = request({ port, host: "127.0.0.1", path }, settle);
    sent.once("error", reject).end();
    onTestFinished(() => void sent.destroy());
  });
}

test("an export of a file that is shortened meanwhile fails, and one that nobody reads ends", async () => {
  const { call, port, directory } = await listening();
  const machine = { ...MACHINE, memoryMib: 256 };
  await call("POST", "/v1/templates", { ...TEMPLATE, machine });
  const [first, second] = [
    await get(port, "/v1/snapshots/base/export"),
    await get(port, "/v1/snapshots/base/export"),
  ];
  truncateSync(join(directory, "d/snapshots/base/memory"), 300 * 1024);
  const ended = new Promise((settle) =>
    first.once("aborted", settle).once("end", () => settle("whole")),
  );
  first.on("error", () => undefined).resume();
  expect(await ended).not.toBe("whole");
  await sleep(1000);
  second.on("error", () => undefined).resume();
  await until("it ended", () => second.destroyed);
  const third = await call("GET", "/v1/snapshots/base/export");
  expect([third.status, third.body.error.code]).toEqual([409, "SNAPSHOT_DAMAGED"]);
  expect((await call("DELETE", "/v1/snapshots/base")).status).toBe(204);
}, 30_000);

test("readers of events that never read cost next to nothing", async () => {
  const events = openEventLog(4096, () => undefined);
  const streams = eventStreams(events);
  const server = createServer((_request, response) => streams.open(response, "old"));
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const readers = Array.from({ length: 60 }, () =>
    opened(port, "GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n").pause(),
  );
  await sleep(500);
  // What is held, and not what the collector has left lying: that depends on how busy the machine is.
  const held = () => {
    collectGarbage();
    return process.memoryUsage().rss;
  };
  const before = held();
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 250; i++) events.emit("guest.crashed", "one", { line: "x".repeat(1000) });
    await sleep(5);
  }
  expect((held() - before) / 1024 / 1024).toBeLessThan(60);
  // One that reads gets all that is kept, and is told of what is not.
  const reader = opened(port, "GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("it has the last", () => reader.text().includes(`-${events.last()}\n`));
  expect(reader.text().split("event: guest.crashed")).toHaveLength(4097);
  for (const one of readers) one.destroy();
});

test("more readers of events than there is room for are refused", async () => {
  const { port } = await listening();
  const readers = Array.from({ length: 70 }, () =>
    opened(port, "GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n"),
  );
  await until("all are answered", () => readers.every((one) => one.text().includes("\r\n\r\n")));
  const refused = readers.filter((one) => one.text().includes("TOO_MANY_READERS"));
  expect(refused).toHaveLength(6);
});

test("a reader from another agent's life is told that it missed events, wherever the clock is", async () => {
  const node = await listening();
  await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  const read = opened(
    node.port,
    "GET /v1/events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 0badcafe-99999999999999\r\n\r\n",
  );
  await until("it is told", () => read.text().includes("event: sandbox.created"));
  expect(read.text()).toMatch(/event: missed[^]*event: sandbox.created/);
});

test("a wrong method is 405, with those that there are", async () => {
  const { agent } = await startNode();
  const answer = await agent.app.inject({ method: "PATCH", url: "/v1/sandboxes/one" });
  expect([answer.statusCode, answer.json().error.code, answer.headers.allow]).toEqual([
    405,
    "WRONG_METHOD",
    "DELETE, GET",
  ]);
  expect((await agent.app.inject({ method: "POST", url: "/v1/health" })).statusCode).toBe(405);
  expect(
    (await agent.app.inject({ method: "GET", url: "/v1/sandboxes/one/nothing" })).statusCode,
  ).toBe(404);
});

test("a guest that the node has no memory for is refused, also while others boot", async () => {
  const { call } = await startNode({ maxMemoryMib: 40 });
  const huge = { ...MACHINE, memoryMib: 1_048_576 };
  expect((await call("POST", "/v1/sandboxes", { machine: huge })).body.error.code).toBe(
    "NODE_FULL",
  );
  expect(
    (await call("POST", "/v1/templates", { ...TEMPLATE, machine: huge })).body.error.code,
  ).toBe("NODE_FULL");
  const both = await Promise.all(
    ["a", "b", "c"].map((id) => call("POST", "/v1/sandboxes", { id, machine: MACHINE })),
  );
  expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 201, 503]);
  const { status } = await (await startNode()).call("POST", "/v1/sandboxes", { machine: huge });
  expect(status).toBe(503);
});

test("a resume keeps the timeout that the sandbox was given", async () => {
  const { call } = await startNode();
  await call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE, timeoutSeconds: 600 });
  await call("POST", "/v1/sandboxes/one/pause");
  const { body } = await call("POST", "/v1/sandboxes/one/resume");
  const left = (Date.parse(body.deadline) - Date.now()) / 1000;
  expect(left).toBeGreaterThan(590);
  expect(left).toBeLessThanOrEqual(600);
});

test("a clock that is set back gives no sandbox more time", async () => {
  const node = await startNode();
  await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE, timeoutSeconds: 2 });
  await node.call("POST", "/v1/sandboxes", { id: "two", machine: MACHINE, timeoutSeconds: 3 });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 7 * 24 * 3_600_000 });
  onTestFinished(() => void vi.useRealTimers());
  await sleep(2600);
  expect((await node.call("GET", "/v1/sandboxes/one")).status).toBe(404);
  // A later agent goes by what was granted, too.
  const again = await node.restart();
  await sleep(3600);
  expect((await again.call("GET", "/v1/sandboxes/two")).status).toBe(404);
}, 20_000);

test("the agent stops while a template is built", async () => {
  const node = await startNode();
  const readiness = { kind: "serial", text: "never", timeoutSeconds: 600 };
  const built = node.call("POST", "/v1/templates", { ...TEMPLATE, readiness });
  const vms = join(node.directory, "d/vms");
  const booted = () =>
    readdirSync(vms).some((id) => consoleEnd(join(vms, id, "console.log")) !== "");
  await until("it boots", booted);
  const start = performance.now();
  await node.agent.close();
  expect(performance.now() - start).toBeLessThan(5000);
  await node.restart();
  expect(await built).toMatchObject({ status: 503, body: { error: { code: "STOPPING" } } });
});

test("a deletion that was acknowledged stays, also while somebody still reads", async () => {
  const node = await startNode();
  await node.call("POST", "/v1/templates", TEMPLATE);
  await node.agent.close();
  const root = join(node.directory, "d/snapshots");
  const signatures = openSignatures({ signing: undefined, trusted: undefined });
  const store = await openSnapshots(root, signatures, () => undefined);
  const held = store.hold("base", () => sleep(1000));
  await sleep(100);
  await store.remove("base");
  // As after kill -9: another finds the directory as it is now.
  const other = await openSnapshots(root, signatures, () => undefined);
  expect(other.list()).toEqual([]);
  await held.catch(() => undefined);
  await node.restart();
});

test("a deletion that fails hides nothing", async () => {
  const node = await startNode();
  await node.call("POST", "/v1/templates", TEMPLATE);
  const metadata = join(node.directory, "d/snapshots/base/metadata.json");
  const deleted = join(node.directory, "d/snapshots/base/metadata.deleted/x");
  mkdirSync(deleted, { recursive: true });
  expect((await node.call("DELETE", "/v1/snapshots/base")).status).toBe(500);
  expect((await node.call("GET", "/v1/snapshots")).body.snapshots).toHaveLength(1);
  rmSync(join(deleted, ".."), { recursive: true });
  expect(metadata).toContain("base");
  expect((await node.call("DELETE", "/v1/snapshots/base")).status).toBe(204);
});

test("a file at the place to listen at is left alone", async () => {
  const node = await startNode();
  const path = join(node.directory, "precious");
  writeFileSync(path, "precious");
  await expect(listen(node.agent, parseAddress(path))).rejects.toMatchObject({
    code: "BAD_CONFIG",
  });
  expect(readFileSync(path, "utf8")).toBe("precious");
});
