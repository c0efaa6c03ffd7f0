/** Sandboxes with networks and in jails: real guests in emulation, in namespaces of the test's own. */
import { readFileSync } from "node:fs";
import { request } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { checkNode, qemuDriver } from "@evenkeel/host";
import { expect, onTestFinished, test } from "vitest";
import {
  enter,
  inside,
  makeHost,
  makeWorld,
  missingForNamespaces,
  serve,
} from "../../host/test/namespaces.ts";
import { createAgent, listen, type Agent } from "../src/index.ts";
import { makeNetworkGuest, missingGuest, NETWORK_MACHINE } from "./network-guest.ts";
import { ICE_LAKE, loadProfile, temporaryDirectory, VERSION } from "./support.ts";

const FIRST = 0x7400_0000;
const TOKEN = "0123456789abcdef0123456789abcdef";

function missing(): string | undefined {
  return missingForNamespaces() ?? (process.env["CI"] === undefined ? missingGuest() : undefined);
}

/** Serves a page on port 80, and on 7000 keeps which connection said what last. */
const WORLD = `
const http = require("http"), net = require("net"), fs = require("fs");
let connections = 0; const last = {};
http.createServer((q, r) => r.end(q.url === "/heard" ? JSON.stringify(last) : "a page of the world")).listen(80, "0.0.0.0", () =>
  net.createServer((s) => {
    const id = ++connections;
    s.on("error", () => {});
    s.on("data", (d) => { last[id] = String(d).trim().split("\\n").pop(); });
  }).listen(7000, "0.0.0.0", () => console.log("ready")));`;

function heardIn(world: string): Record<string, string> {
  const script = `fetch("http://127.0.0.1/heard").then((r) => r.text()).then(console.log)`;
  return JSON.parse(inside(world, [process.execPath, "-e", script]) ?? "{}") as never;
}

interface Node {
  readonly agent: Agent;
  readonly directory: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- bodies are looked into by tests
  call(method: "GET" | "POST" | "PUT" | "DELETE", url: string, body?: object): Promise<any>;
  console(id: string): string;
  close(): Promise<void>;
}

/** An agent on the host that this process is on. */
async function startNode(directory: string, images: object, firstId: number): Promise<Node> {
  const data = join(directory, "d");
  const { open: openCells, notes } = await checkNode({
    directory: data,
    vmm: "qemu",
    binary: "qemu-system-x86_64",
    network: { pool: "10.214.0.0/24", open: [] },
    egress: { default: "deny", dns: false, rules: [] },
    ahead: 1,
    firstId,
    report: (what, why) => process.stderr.write(`${what}: ${String(why)}\n`),
  });
  expect(notes.join("\n")).toContain(
    "network: 10.214.0.0/24, no resolver, egress by default denied",
  );
  const agent = await createAgent({
    driver: await qemuDriver({ cpu: "Haswell-noTSX" }),
    profile: loadProfile(ICE_LAKE),
    firecracker: VERSION,
    directory: data,
    openCells,
    tokens: { run: TOKEN },
    ...(images as { kernelsDir: string; imagesDir: string }),
  });
  let open = true;
  const close = async () => {
    if (open) await agent.close();
    open = false;
  };
  const headers = { authorization: `Bearer ${TOKEN}` };
  const node: Node = {
    agent,
    directory,
    close,
    console: (id) => readFileSync(join(data, "vms", id, "console.log"), "utf8"),
    call: async (method, url, body) => {
      const payload = body === undefined ? {} : { payload: body };
      const response = await agent.app.inject({ method, url, headers, ...payload });
      const json = response.body === "" ? {} : response.json();
      if (response.statusCode >= 300) throw new Error(`${method} ${url}: ${response.body}`);
      return json;
    },
  };
  onTestFinished(async () => {
    if (!open) return;
    for (const { id } of (await node.call("GET", "/v1/sandboxes")).sandboxes) {
      await node.call("DELETE", `/v1/sandboxes/${id}`);
    }
    await close();
  });
  return node;
}

async function said(node: Node, id: string, words: string): Promise<void> {
  await expect.poll(() => node.console(id), { timeout: 60_000, interval: 200 }).toContain(words);
}

/** What it says from now on. */
async function saysNext(node: Node, id: string, words: RegExp): Promise<void> {
  const before = node.console(id).length;
  await expect
    .poll(() => node.console(id).slice(before), { timeout: 30_000, interval: 200 })
    .toMatch(words);
}

const LIST = {
  default: "deny",
  rules: [{ action: "allow", cidr: "93.184.1.1", protocol: "tcp", ports: ["80", "7000"] }],
} as const;

const TEMPLATE = {
  name: "base",
  machine: NETWORK_MACHINE,
  readiness: { kind: "serial", text: "ready", timeoutSeconds: 120 },
} as const;

/** Bytes to and from a port of a guest, through the agent; a number is the status of a refusal. */
function forward(socketPath: string, port: number, token = TOKEN): Promise<Socket | number> {
  return new Promise((settle, reject) => {
    const headers = { authorization: `Bearer ${token}`, connection: "Upgrade", upgrade: "tcp" };
    const path = `/v1/sandboxes/one/ports/${port}`;
    const asked = request({ socketPath, path, headers });
    asked.once("upgrade", (_response, socket) => settle(socket));
    asked.once("response", ({ statusCode = 0 }) => settle(statusCode));
    asked.once("error", reject);
    asked.end();
  });
}

test("a guest reaches the world as its list says, is reached by its ports, and moves with its address and connection", async ({
  skip,
}) => {
  const why = missing();
  if (why !== undefined) skip(why);
  const world = makeWorld();
  const first = makeHost(world, 1);
  await serve(world, WORLD);
  enter(first);
  const images = await makeNetworkGuest(temporaryDirectory());
  let one = await startNode(temporaryDirectory(), images, FIRST);
  await one.call("POST", "/v1/templates", TEMPLATE);
  await one.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  await said(one, "one", "web: nothing");
  await said(one, "one", "address: 169.254.0.21/30");

  // By the list, changed while it runs.
  const changed = await one.call("PUT", "/v1/sandboxes/one/egress", LIST);
  expect(changed.egress).toMatchObject({ default: "deny", rules: [{ ports: ["80", "7000"] }] });
  await said(one, "one", "web: a page of the world");
  await expect.poll(() => heardIn(world)["1"], { timeout: 20_000 }).toMatch(/^line \d+$/);

  // Its port, for who has the token.
  const address = join(one.directory, "a.sock");
  await listen(one.agent, { kind: "unix", path: address });
  expect(await forward(address, 8080, "f".repeat(32))).toBe(401);
  expect(await forward(address, 8081)).toBe(502);
  expect(await forward(address, 0)).toBe(400);
  const stream = await forward(address, 8080);
  if (typeof stream === "number") throw new Error(`the port was not forwarded: ${stream}`);
  stream.write("GET / HTTP/1.0\r\n\r\n");
  expect(await text(stream)).toContain("a page of the guest");

  // Refused again, the connection stays open in the guest; allowed again, it goes on.
  await one.call("PUT", "/v1/sandboxes/one/egress", { default: "deny" });
  await saysNext(one, "one", /web: nothing[^]*web: nothing/);
  const before = heardIn(world)["1"];
  await one.call("PUT", "/v1/sandboxes/one/egress", LIST);
  await expect.poll(() => heardIn(world)["1"], { timeout: 30_000 }).not.toBe(before);

  // Another agent in its place goes on with the same slot, rules and ports.
  const { pid } = await one.call("GET", "/v1/sandboxes/one");
  await one.close();
  one = await startNode(one.directory, images, FIRST);
  expect(await one.call("GET", "/v1/sandboxes/one")).toMatchObject({ pid, state: "running" });
  await saysNext(one, "one", /web: a page of the world/);
  await one.call("PUT", "/v1/sandboxes/one/egress", { default: "deny" });
  await saysNext(one, "one", /web: nothing/);
  await one.call("PUT", "/v1/sandboxes/one/egress", LIST);
  await listen(one.agent, { kind: "unix", path: address });
  expect(await forward(address, 8081)).toBe(502);

  const { snapshot } = await one.call("POST", "/v1/sandboxes/one/pause");
  const headers = { authorization: `Bearer ${TOKEN}` };
  const exported = await one.agent.app.inject({
    method: "GET",
    url: `/v1/snapshots/${snapshot}/export`,
    headers,
  });
  const last = heardIn(world)["1"];
  await one.close();

  // Another host, which has taken the first one's public address over.
  inside(world, ["ip", "link", "delete", "up1"]);
  enter(makeHost(world, 1));
  const two = await startNode(temporaryDirectory(), images, FIRST + 200_000);
  const imported = await two.agent.app.inject({
    method: "PUT",
    url: "/v1/snapshots/moved",
    headers: { ...headers, "content-type": "application/x-tar" },
    payload: exported.rawPayload,
  });
  expect(imported.statusCode).toBe(201);
  await two.call("POST", "/v1/sandboxes", { id: "one", from: "moved", egress: LIST });
  await said(two, "one", "address: 169.254.0.21/30");
  await said(two, "one", "web: a page of the world");
  await expect.poll(() => heardIn(world)["1"], { timeout: 60_000 }).not.toBe(last);
  expect(Object.keys(heardIn(world))).toEqual(["1"]);
  expect(two.console("one")).not.toContain("talk: over");
}, 300_000);
