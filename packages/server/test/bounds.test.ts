/** What nodes and callers may send, how much of it, and how fast: the rest is refused, never a 500. */
import { connect, type TLSSocket } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { contractDigest, profileDigest, profileToJson, type NodeProfile } from "@evenkeel/core";
import { describe, expect, onTestFinished, test } from "vitest";
import type { FastifyRequest } from "fastify";
import { costOf, openBuckets } from "../src/http/limits.ts";
import { openSignals } from "../src/sandboxes/signals.ts";
import { STORES } from "./postgres.ts";
import {
  contractBody,
  contractFrom,
  ICE_LAKE,
  NO_SNAPSHOTS,
  profileNamed,
  snapshotOf,
  useFleet,
  type Answer,
} from "./support.ts";

function codeOf({ status, body }: Answer): unknown[] {
  return [status, body?.error?.code];
}

const BAD = [400, "BAD_REQUEST"];

describe.each(STORES)("on %s", (store) => {
  const fleet = useFleet(store);

  test("the longest lists that a node and an operator may send are taken", async () => {
    const { operator, join } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "long"));
    const created = "2026-01-01T00:00:00.000Z";
    const labels = { filler: "x".repeat(200) };
    const sandboxes = Array.from({ length: 4000 }, (_, i) => ({
      id: `s${i}`,
      state: "running",
      memoryMib: 1,
      labels,
      created,
      contract: "f".repeat(64),
    }));
    const told = await node.call("POST", "/v1/node/work", { running: [], sandboxes });
    // Contracts that nobody has reported are asked for at once.
    expect(told).toMatchObject({ status: 200, body: { work: [], contracts: ["f".repeat(64)] } });
    const replace = [{ node: "long", profile: { schema: "x".repeat(2_000_000) } }];
    const asked = await operator("POST", "/v1/simulations", { replace });
    expect(codeOf(asked)).toEqual(BAD);
  });

  test("no value that a schema takes is one that the store cannot keep", async () => {
    const { operator, join } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "wide"));
    const contract = contractFrom(node.profile);
    await node.call("PUT", "/v1/node/contracts", contractBody(contract));
    const { held } = snapshotOf(contract, "wide");
    const list = async (change: object) =>
      await node.call("PUT", "/v1/node/snapshots", {
        digest: NO_SNAPSHOTS,
        snapshots: [{ ...held, ...change }],
      });
    for (const change of [
      { memoryMib: 2 ** 31 },
      { bytes: 2 ** 60 },
      { bytes: 0.5 },
      { created: "0000-01-01T00:00:00Z" },
      { created: "1969-12-31T23:59:59Z" },
      { name: "a\u0000" },
    ]) {
      expect([change, codeOf(await list(change))]).toEqual([change, BAD]);
    }
    expect((await list({ memoryMib: 2 ** 31 - 1, bytes: Number.MAX_SAFE_INTEGER })).status).toBe(
      200,
    );
    const capacity = { sandboxes: 0, maxSandboxes: 1, memoryMib: 2 ** 31, maxMemoryMib: 2 ** 31 };
    expect(codeOf(await node.beat({ capacity }))).toEqual(BAD);
    expect(codeOf(await node.beat({ planError: "a\u0000b" }))).toEqual(BAD);
    const half = '{"labels": {"a": "\\ud800"}}';
    expect(codeOf(await operator("PATCH", "/v1/nodes/wide", half))).toEqual(BAD);
    const whole = '{"labels": {"a": "\\ud83d\\ude00"}}';
    expect((await operator("PATCH", "/v1/nodes/wide", whole)).body.labels).toEqual({ a: "😀" });
    const zero = '{"labels": {"a\\u0000": "b"}}';
    expect(codeOf(await operator("PATCH", "/v1/nodes/wide", zero))).toEqual(BAD);
    expect(codeOf(await operator("GET", "/v1/pools/p/plans/99999999999"))).toEqual(BAD);
    const { profile } = node;
    for (const change of [
      { tsc: { khz: 2 ** 40, source: "cpuid" } },
      { host: { ...profile.host, kernel: "k".repeat(300) } },
      { firecracker: Array.from({ length: 600 }, (_, i) => `1.14.${i}`) },
    ]) {
      const changed = { ...profile, ...change } as NodeProfile;
      const report = { digest: profileDigest(changed), profile: profileToJson(changed) };
      expect(codeOf(await node.call("PUT", "/v1/node/profile", report))).toEqual(BAD);
    }
    const long = { ...contract, node: "n".repeat(300) };
    expect(codeOf(await node.call("PUT", "/v1/node/contracts", contractBody(long)))).toEqual(BAD);
    expect((await operator("GET", "/v1/snapshots?name=wide")).body.snapshots).toEqual([]);
    expect(contractDigest(contract)).toBe(held.contract);
  });

  test("a request is as long as its route needs, and no longer", async () => {
    const { operator, join, anyone } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "wordy"));
    const long = (kib: number) => ({ planError: "x".repeat(kib * 1024) });
    expect(codeOf(await node.beat(long(100)))).toEqual([413, "BODY_TOO_LARGE"]);
    const body = { digest: NO_SNAPSHOTS, profile: long(600) };
    expect(codeOf(await node.call("PUT", "/v1/node/profile", body))).toEqual([
      413,
      "BODY_TOO_LARGE",
    ]);
    expect(codeOf(await node.call("PUT", "/v1/node/contracts", long(600)))).toEqual([
      413,
      "BODY_TOO_LARGE",
    ]);
    expect(codeOf(await anyone("POST", "/v1/join", long(600)))).toEqual([413, "BODY_TOO_LARGE"]);
    expect(codeOf(await operator("POST", "/v1/pools", long(100)))).toEqual([413, "BODY_TOO_LARGE"]);
  });

  test("a node that changes without end stays held, and makes no more work", async () => {
    const { operator, join } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "restless"));
    const { kernel = "", cpuModel = "" } = node.profile.host;
    const change = async (i: number) => {
      const microcode = `0x${i.toString(16)}`;
      const profile = { ...node.profile, host: { kernel, microcode, cpuModel } };
      const digest = profileDigest(profile);
      await node.beat({ profile: digest });
      return await node.call("PUT", "/v1/node/profile", {
        digest,
        profile: profileToJson(profile),
      });
    };
    const answers: Answer[] = [];
    for (let i = 0; i < 32; i++) answers.push(await change(i));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(30);
    expect(answers.slice(31).map(codeOf)).toEqual([[429, "TOO_FAST"]]);
    const { body } = await operator("GET", "/v1/nodes/restless");
    expect(body.held).toContain("not known yet");
  });

  test("a node has some connections, and what goes beyond is closed", async () => {
    const { base, ca, join } = fleet();
    const { credentials } = await join(profileNamed(ICE_LAKE, "greedy"));
    const { port, hostname: host } = new URL(base);
    const closed = new Set<TLSSocket>();
    const sockets = Array.from({ length: 92 }, () => {
      const socket = connect({ port: Number(port), host, ca, ...credentials });
      socket.on("error", () => {});
      socket.on("close", () => closed.add(socket));
      onTestFinished(() => void socket.destroy());
      return socket;
    });
    for (let tries = 0; closed.size < 12 && tries < 100; tries++) await sleep(50);
    expect([sockets.length, closed.size]).toEqual([92, 12]);
  });
});

test("a node that asks faster than it may is put off, and others are not", () => {
  let now = 0;
  const buckets = openBuckets(() => now);
  const taken = (node: string, cost: number, times: number) => {
    for (let i = 0; i < times; i++) {
      try {
        buckets.take(node, cost);
      } catch {
        return i;
      }
    }
    return times;
  };
  expect(taken("a", 1, 5000)).toBe(2000);
  expect(() => buckets.take("a", 1)).toThrow(expect.objectContaining({ code: "TOO_FAST" }));
  expect(taken("b", 100, 5000)).toBe(20);
  now += 1000;
  expect(taken("a", 1, 5000)).toBe(20);
  now += 200_000;
  expect(taken("a", 1, 5000)).toBe(2000);
});

test("what the server asked a node for costs it nothing, however long it is", () => {
  const cost = (isAskedFor: boolean) =>
    costOf({
      headers: { "content-length": String(64 * 1024 * 1024) },
      routeOptions: { config: { isAskedFor } },
    } as unknown as FastifyRequest);
  expect([cost(true), cost(false) > 1]).toEqual([0, true]);
});

test("who waits is woken when the server stops, and nobody waits after that", async () => {
  const signals = openSignals();
  const waits = signals.wait("work w", 60_000);
  signals.close();
  await waits;
  await expect(signals.wait("work w", 60_000)).rejects.toMatchObject({ code: "STOPPING" });
});
