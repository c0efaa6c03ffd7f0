/** Changes of a fleet: simulated, and refused where they strand what nobody named. */
import { request } from "node:https";
import { contractDigest, judge, profileToJson } from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { STORES } from "./postgres.ts";
import {
  CASCADE_LAKE,
  contractBody,
  contractFrom,
  ICE_LAKE,
  profileNamed,
  snapshotOf,
  useFleet,
  type TestNode,
} from "./support.ts";

/** Tells the server that a node holds a snapshot of a guest that booted there; its digest. */
async function hold(node: TestNode, name: string): Promise<string> {
  const contract = contractFrom(node.profile);
  const { held, manifest } = snapshotOf(contract, name);
  const put = async () =>
    await node.call("PUT", "/v1/node/snapshots", { digest: "1".repeat(64), snapshots: [held] });
  expect((await put()).body.missing).toHaveLength(1);
  await node.call("PUT", "/v1/node/contracts", contractBody(contract));
  await node.call("PUT", "/v1/node/manifests", { manifests: [manifest] });
  expect((await put()).body).toEqual({ missing: [], manifests: [] });
  return held.digest;
}

describe.each(STORES)("on %s", (store) => {
  const fleet = useFleet(store);

  test("the stranded are those that verdicts refuse afterwards; a node with them takes their number", async () => {
    const { operator, join } = fleet();
    const [clx, icx] = [
      await join(profileNamed(CASCADE_LAKE, "clx")),
      await join(profileNamed(ICE_LAKE, "icx")),
    ];
    const ofIcx = await hold(icx, "of-icx");
    await hold(clx, "of-clx");
    const simulate = async (body: object) => (await operator("POST", "/v1/simulations", body)).body;
    expect(judge(contractFrom(icx.profile), clx.profile).verdict).toBe("incompatible");

    const removed = await simulate({ remove: ["icx"] });
    const stranded = [{ digest: ofIcx, name: "of-icx" }];
    expect(removed).toMatchObject({ count: 1, stranded, filesLost: stranded, nodesAfter: 1 });
    const first = removed.contracts.find(({ fate }: { fate: string }) => fate === "stranded");
    expect(first.obstacles.map(({ name }: { name: string }) => name)).toContain("AVX512_VBMI2");
    expect(first.obstacles[0].nodes).toBe(1);

    // A second node like it saves them; its class is the last one all the same.
    const spare = profileToJson(profileNamed(ICE_LAKE, "spare"));
    const saved = await simulate({ remove: ["icx"], add: [{ profile: spare }] });
    expect(saved).toMatchObject({ stranded: [], count: 1, filesLost: stranded });
    const kept = saved.contracts.find(({ snapshots }: { snapshots: unknown[] }) =>
      JSON.stringify(snapshots).includes(ofIcx),
    );
    expect(kept).toMatchObject({ fate: "kept", open: 1, room: { sandboxes: 0 } });
    expect(kept.lastClass).toMatch(/^ice-lake/);

    // Cordoned first and removed then: it does not count for less.
    expect((await operator("PATCH", "/v1/nodes/icx", { cordoned: true })).status).toBe(200);
    expect(await simulate({ remove: ["icx"] })).toMatchObject({ count: 1, stranded });
    expect(await simulate({ firecracker: ["1.14.1"] })).toMatchObject({
      count: 0,
      waiting: stranded,
    });

    const refused = await operator("DELETE", "/v1/nodes/icx");
    expect([refused.status, refused.body.error.code]).toEqual([409, "WOULD_STRAND"]);
    expect(refused.body.error.message).toContain("1 that no other open node can resume");
    expect(refused.body.error.problems).toEqual([{ path: "of-icx", message: ofIcx }]);
    expect((await operator("DELETE", "/v1/nodes/icx?strand=2")).status).toBe(409);
    expect((await operator("DELETE", "/v1/nodes/icx?strand=-1")).status).toBe(400);
    expect((await operator("GET", "/v1/nodes/icx")).status).toBe(200);
    const key = { "idempotency-key": "delete-icx" };
    for (const _ of [1, 2]) {
      expect((await operator("DELETE", "/v1/nodes/icx?strand=1", undefined, key)).status).toBe(204);
    }
    expect((await operator("DELETE", "/v1/nodes/icx?strand=1")).status).toBe(404);
  });

  test("a contract that an operator registered counts for one snapshot", async () => {
    const { operator, join } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "lone"));
    const contract = contractFrom({ ...node.profile, name: "elsewhere" });
    await operator("PUT", "/v1/contracts", contractBody(contract));
    const { body } = await operator("POST", "/v1/simulations", { remove: ["lone"] });
    expect(body.stranded).toContainEqual({
      digest: contractDigest(contract),
      name: `contract-${contractDigest(contract).slice(0, 12)}`,
    });
  });

  test("what is bought is an estimate, a plan is computed anew, and bad questions are refused", async () => {
    const { operator, join, tokenOf } = fleet();
    const labels = { pool: "sim" };
    await join(profileNamed(CASCADE_LAKE, "sim-clx"), labels);
    await join(profileNamed(ICE_LAKE, "sim-icx"), labels);
    await operator("POST", "/v1/pools", { name: "sim", selector: labels });
    const view = await tokenOf("view");
    const ask = async (body: object) => {
      const { status, body: answer } = await view("POST", "/v1/simulations", body);
      return [status, answer?.error?.code];
    };
    expect(await ask({ remove: ["sim-clx"], pool: "sim" })).toEqual([404, "NO_SUCH_PLAN"]);
    const { body: planned } = await operator("POST", "/v1/pools/sim/plans", {});
    const approval = { digest: planned.digest, atOnce: true };
    const approved = await operator("POST", "/v1/pools/sim/plans/1/approve", approval);
    expect(approved.status).toBe(200);
    const { body } = await view("POST", "/v1/simulations", { remove: ["sim-clx"], pool: "sim" });
    expect(body.plan).toMatchObject({ lost: [], unplanned: [], refusals: [] });
    expect(body.plan.gained).toContain("AVX512_VBMI2");
    const bought = { with: ["granite-rapids@6.8"], pool: "sim" };
    const { body: more } = await view("POST", "/v1/simulations", bought);
    expect(more).toMatchObject({ count: 0, plan: { unplanned: ["estimate:granite-rapids@6.8"] } });

    expect(await ask({ remove: ["nobody"] })).toEqual([400, "BAD_REQUEST"]);
    expect(await ask({ remov: ["sim-clx"] })).toEqual([400, "BAD_REQUEST"]);
    expect(await ask({ planVersion: 1 })).toEqual([400, "BAD_REQUEST"]);
    expect(await ask({ with: ["no-such-model"] })).toEqual([400, "BAD_REQUEST"]);
    expect(await ask({ replace: [{ node: "sim-clx", profile: {} }] })).toEqual([
      400,
      "BAD_REQUEST",
    ]);
    expect(await ask({ pool: "none" })).toEqual([404, "NO_SUCH_POOL"]);
  });
});

/** Reads events until one is there; what it has read. */
async function eventsUntil(
  { base, ca, token }: { base: string; ca: string; token: string },
  wanted: string,
  lastEventId?: string,
): Promise<string> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
  };
  return await new Promise((settle, fail) => {
    let text = "";
    const sent = request(new URL("/v1/events", base), { headers, ca, agent: false }, (response) => {
      response.on("data", (part: Buffer) => {
        text += part.toString("utf8");
        if (!text.includes(wanted)) return;
        sent.destroy();
        settle(text);
      });
    });
    sent.on("error", fail);
    sent.end();
  });
}

describe.each(STORES)("events on %s", (store) => {
  const fleet = useFleet(store);

  test("what is done is told, and a reader that comes back misses nothing", async () => {
    const { operator, anyone } = fleet();
    const hello = eventsUntil(fleet(), "pool.created");
    const made = async (name: string) =>
      await operator("POST", "/v1/pools", { name, selector: { name } });
    await eventsUntil(fleet(), ": hello");
    await made("first");
    const [, id] =
      /id: (\d+)\nevent: pool\.created\ndata: .*"subject":"first"/.exec(await hello) ?? [];
    expect(id).toBeDefined();
    await made("second");
    await made("third");
    const later = await eventsUntil(fleet(), '"subject":"third"', id);
    expect(later.match(/"subject":"\w+"/g)).toEqual(['"subject":"second"', '"subject":"third"']);
    expect((await anyone("GET", "/v1/events")).status).toBe(401);
  });
});
