/**
 * What the way to a guest's port adds: requests through E2B's data plane (TLS, the proxy, the
 * node's connection, the agent) to a server on this machine in a guest's place, against the same
 * requests straight to it. Client, server, agent and guest share this machine.
 */
import { once } from "node:events";
import { createServer as createHttp, request as httpRequest, Agent as HttpAgent } from "node:http";
import { connect, createServer, type AddressInfo } from "node:net";
import { serveTunnel } from "../packages/agent/src/fleet/tunnel.ts";
import { proxy } from "../packages/server/src/e2b/proxy.ts";
import { openGate } from "../packages/server/src/e2b/gate.ts";
import type { E2b } from "../packages/server/src/e2b/lifecycle.ts";
import { openConnections } from "../packages/server/src/http/tunnels.ts";

function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port;
}

async function ask(agent: HttpAgent, port: number): Promise<void> {
  await new Promise<void>((settle, fail) => {
    const sent = httpRequest({ agent, port, host: "127.0.0.1", path: "/" }, (answer) => {
      answer.resume();
      answer.on("end", settle);
    });
    sent.on("error", fail);
    sent.end();
  });
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** One after the other, in milliseconds. */
async function latency(port: number, count: number): Promise<number> {
  const agent = new HttpAgent({ keepAlive: true });
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await ask(agent, port);
    times.push(performance.now() - start);
  }
  agent.destroy();
  return median(times.slice(count / 10));
}

/** Requests a second, 64 at once. */
async function throughput(port: number, count: number): Promise<number> {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 64 });
  const start = performance.now();
  let left = count;
  const work = async () => {
    while (left-- > 0) await ask(agent, port);
  };
  await Promise.all(Array.from({ length: 64 }, work));
  agent.destroy();
  return count / ((performance.now() - start) / 1000);
}

const connections = openConnections();
const inbound = createServer((socket) => connections.add("n", socket)).listen(0, "127.0.0.1");
await once(inbound, "listening");
const guest = createHttp((_request, response) => response.end("ok")).listen(0, "127.0.0.1");
await once(guest, "listening");
const outbound = connect({ port: portOf(inbound), host: "127.0.0.1", noDelay: true });
await once(outbound, "connect");
const stop = new AbortController();
void serveTunnel(
  outbound,
  async (_id, port) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return socket;
  },
  stop.signal,
);
const place = { node: "n", state: "running", publicTraffic: true };
const db = {
  select: () => ({ from: () => ({ innerJoin: () => ({ where: async () => [place] }) }) }),
};
const gate = openGate({ store: { db } } as never, connections);
const e2b = { gate, tokens: {} } as unknown as E2b;
const front = createHttp((request, response) => {
  void proxy(e2b, request, response, { sandbox: "s1", port: portOf(guest) });
}).listen(0, "127.0.0.1");
await once(front, "listening");

const figures = {
  directMs: await latency(portOf(guest), 2000),
  proxiedMs: await latency(portOf(front), 2000),
  directPerSecond: await throughput(portOf(guest), 20_000),
  proxiedPerSecond: await throughput(portOf(front), 20_000),
};
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
process.exit(0);
