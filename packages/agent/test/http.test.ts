/** The API as clients meet it: over sockets, as streams, and as a document. */
import { request } from "node:http";
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { listen, parseAddress } from "../src/index.ts";
import { MACHINE, startNode, TEMPLATE, until, RELEASE } from "./support.ts";

test("the OpenAPI document is the one in packages/api", async () => {
  const { call } = await startNode();
  const { body } = await call("GET", "/openapi.json");
  const text = `${JSON.stringify(body, undefined, 2)}\n`;
  await expect(text).toMatchFileSnapshot("../../api/openapi/agent.json");
});

test("on a Unix socket, only its owner is let in", async () => {
  const node = await startNode();
  const path = join(node.directory, "agent.sock");
  expect(await listen(node.agent, parseAddress(path))).toBe(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const answer = await new Promise<number | undefined>((settle, reject) => {
    request({ socketPath: path, path: "/v1/health" }, ({ statusCode }) => settle(statusCode))
      .once("error", reject)
      .end();
  });
  expect(answer).toBe(200);
  const second = await startNode();
  const taken = listen(second.agent, parseAddress(path));
  await expect(taken).rejects.toMatchObject({ code: "BAD_CONFIG" });
});

test.each(["nowhere", "127.0.0.1", "127.0.0.1:99999", ":80", ""])(
  "%j is no address to listen at",
  (text) => {
    expect(() => parseAddress(text)).toThrow("is neither a path (with a slash) nor host:port");
  },
);

interface Stream {
  /** Whole frames so far. */
  readonly frames: () => readonly Record<string, string>[];
  readonly close: () => void;
}

async function openEvents(base: string, lastEventId?: string): Promise<Stream> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  const response = await fetch(`${base}/v1/events`, { headers, signal: abort.signal });
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  let text = "";
  void (async () => {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) text += decoder.decode(chunk);
    } catch {
      // Closed by the test.
    }
  })();
  const parse = (frame: string) =>
    Object.fromEntries(frame.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2)));
  return {
    frames: () =>
      text
        .split("\n\n")
        .slice(0, -1)
        .filter((frame) => !frame.startsWith(":"))
        .map(parse),
    close: () => abort.abort(),
  };
}

test("events come as they happen, and a reader that comes back misses none", async () => {
  const node = await startNode();
  const base = await listen(node.agent, parseAddress("127.0.0.1:0"));
  const first = await openEvents(base);
  await node.call("POST", "/v1/templates", TEMPLATE);
  await until("the template is told", () => first.frames().length === 1);
  const [created] = first.frames();
  expect(created).toMatchObject({ event: "template.created" });
  expect(JSON.parse(created?.["data"] ?? "")).toMatchObject({ subject: "base" });
  first.close();
  await node.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  await node.call("DELETE", "/v1/sandboxes/one");
  const second = await openEvents(base, created?.["id"]);
  await until("the missed ones are told", () => second.frames().length === 2);
  expect(second.frames().map(({ event }) => event)).toEqual(["sandbox.created", "sandbox.killed"]);
  const third = await openEvents(base, "1");
  await until("it is told that some are lost", () => third.frames().length >= 1);
  expect(third.frames()[0]?.["event"]).toBe("missed");
});

test("a guest that dies of an illegal instruction is an event, with its cause where known", async () => {
  const trap =
    "[   12.3] traps: node[412] trap invalid opcode ip:55d0c0de1000 sp:7ffd00001000 error:0 in node[55d0c0000000+2000000]";
  const heard: unknown[] = [];
  const node = await startNode({
    double: { console: ["guest booted", trap, "sh: Illegal instruction"] },
    explainCrash: async (crash) => {
      heard.push(crash);
      return crash.process === undefined ? undefined : { feature: "AVX512_VBMI2" };
    },
  });
  const base = await listen(node.agent, parseAddress("127.0.0.1:0"));
  const events = await openEvents(base);
  await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  const crashes = () => events.frames().filter(({ event }) => event === "guest.crashed");
  await until("both are told", () => crashes().length === 2);
  const [first, second] = crashes().map(({ data }) => JSON.parse(data ?? ""));
  expect(first).toMatchObject({
    subject: "one",
    data: {
      process: "node",
      instructionPointer: "0x55d0c0de1000",
      cause: { feature: "AVX512_VBMI2" },
    },
  });
  expect(second.data).toEqual({ line: "sh: Illegal instruction" });
  expect(heard).toHaveLength(2);
});

test("a crash that ends the microVM at once is told too", async () => {
  const trap = "traps: init[1] trap invalid opcode ip:401000 sp:7ffd0 error:0 in init[400000+1000]";
  const node = await startNode({ double: { console: [trap] } });
  const base = await listen(node.agent, parseAddress("127.0.0.1:0"));
  const events = await openEvents(base);
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  process.kill(body.pid, "SIGKILL");
  await until("it failed", () => events.frames().some(({ event }) => event === "sandbox.failed"));
  expect(events.frames().map(({ event }) => event)).toEqual([
    "sandbox.created",
    "guest.crashed",
    "sandbox.failed",
  ]);
});

test("metrics count what was done and what was refused", async () => {
  const node = await startNode();
  await node.call("POST", "/v1/templates", TEMPLATE);
  await node.call("POST", "/v1/templates", TEMPLATE);
  await node.call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  const { body, headers } = await node.agent.app.inject("/metrics");
  expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  const lines = body.split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      'evenkeel_sandboxes{state="running"} 1',
      "evenkeel_snapshots 1",
      'evenkeel_operations_total{operation="build",result="ok"} 1',
      'evenkeel_operations_total{operation="build",result="NAME_TAKEN"} 1',
      'evenkeel_operation_seconds_count{operation="create"} 1',
      'evenkeel_verdicts_total{verdict="compatible",result="admitted"} 1',
    ]),
  );
  for (const line of lines.filter((one) => one !== "" && !one.startsWith("#"))) {
    expect(line).toMatch(/^[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [0-9.e+-]+$/);
  }
});

test("health and profile say which node this is", async () => {
  const { call } = await startNode();
  const { body } = await call("GET", "/v1/health");
  const release = { version: RELEASE, releases: [RELEASE] };
  expect(body).toMatchObject({ status: "ok", vmm: "firecracker", ...release, sandboxes: 0 });
  const profile = await call("GET", "/v1/profile");
  expect(profile.body).toMatchObject({ schema: "evenkeel/node-profile@1", arch: "x86_64" });
});
