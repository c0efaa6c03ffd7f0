/** What nodes report, what operators see of it, and what is placed where. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  contractDigest,
  judge,
  loadingVersion,
  profileDigest,
  profileToJson,
  type NodeProfile,
} from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { STORES } from "./postgres.ts";
import {
  CASCADE_LAKE,
  contractBody,
  contractFrom,
  ICE_LAKE,
  NO_SNAPSHOTS,
  profileNamed,
  snapshotOf,
  useFleet,
  type Answer,
  type TestNode,
} from "./support.ts";

function codeOf({ status, body }: Answer): unknown[] {
  return [status, body?.error?.code];
}

/** The same node without a feature that guests see: AVX512F. */
function withoutAvx512(profile: NodeProfile): NodeProfile {
  const cpuid = profile.cpu.cpuid.map((entry) =>
    entry.leaf === 7 && entry.subleaf === 0
      ? { ...entry, ebx: (entry.ebx & ~(1 << 16)) >>> 0 }
      : entry,
  );
  return { ...profile, cpu: { ...profile.cpu, cpuid } };
}

function holdSnapshot(node: TestNode, name: string) {
  const contract = contractFrom(node.profile);
  const { held, manifest } = snapshotOf(contract, name);
  const report = { digest: "1".repeat(64), snapshots: [held] };
  const put = async () => await node.call("PUT", "/v1/node/snapshots", report);
  const prove = async () => await node.call("PUT", "/v1/node/manifests", { manifests: [manifest] });
  return { contract, held, manifest, put, prove };
}

describe.each(STORES)("on %s", (store) => {
  const fleet = useFleet(store);

  test("a snapshot is placed where the verdict allows it, holders first; else the answer says why", async () => {
    const { operator, join } = fleet();
    const labels = { test: "placed" };
    const clx = await join(profileNamed(CASCADE_LAKE, "clx-1"), labels);
    const icx = await join(profileNamed(ICE_LAKE, "icx-1"), labels);
    await join(profileNamed(ICE_LAKE, "icx-2"), labels);
    const { contract, held, put, prove } = holdSnapshot(icx, "base");
    // The list waits for contract and manifest: nothing refers to what is not there.
    const digest = contractDigest(contract);
    const lacking = { missing: [digest], manifests: [held.digest] };
    expect((await put()).body).toEqual(lacking);
    expect(codeOf(await prove())).toEqual([400, "BAD_REQUEST"]);
    expect((await operator("GET", "/v1/snapshots")).body.snapshots).toEqual([]);
    const sent = await icx.call("PUT", "/v1/node/contracts", contractBody(contract));
    expect(sent.body).toEqual({ digest, known: false });
    expect((await put()).body).toEqual({ missing: [], manifests: [held.digest] });
    expect((await prove()).body).toEqual({ digests: [held.digest] });
    expect((await put()).body).toEqual({ missing: [], manifests: [] });

    const ask = { snapshot: held.digest, labels };
    const { body } = await operator("POST", "/v1/placements", ask);
    const names = body.nodes.map((node: { name: string }) => node.name);
    expect([names, body.eligible]).toEqual([["icx-1", "icx-2"], 2]);
    expect(body.nodes.map((node: { holdsFiles: boolean }) => node.holdsFiles)).toEqual([
      true,
      false,
    ]);
    expect(body.filters).toContainEqual({ filter: "verdict", nodes: 1 });

    for (const name of ["icx-1", "icx-2"]) {
      await operator("PATCH", `/v1/nodes/${name}`, { cordoned: true });
    }
    const none = (await operator("POST", "/v1/placements", ask)).body;
    expect([none.nodes, none.eligible]).toEqual([[], 0]);
    expect(none.obstacles.map(({ name }: { name: string }) => name)).toContain("AVX512_VBMI2");
    expect(none.waysOut[0]).toBe("uncordon: 2 nodes can resume it and are cordoned");
    expect(none.waysOut.at(-1)).toContain("boot it anew from its disk");
    expect(clx.name).toBe("clx-1");
  });

  test("the index says what core's verdict says, of each contract on each node", async () => {
    const { operator, join } = fleet();
    const less = withoutAvx512(profileNamed(ICE_LAKE, "pair-less"));
    const profiles = [
      profileNamed(CASCADE_LAKE, "pair-clx"),
      profileNamed(ICE_LAKE, "pair-icx"),
      less,
    ];
    const contracts = profiles.map(contractFrom);
    // A contract before there are nodes, the others after: both ways of filling the index.
    await operator("PUT", "/v1/contracts", contractBody(contractFrom(less)));
    for (const profile of profiles) await join(profile, { test: profile.name });
    for (const contract of contracts) {
      const { status } = await operator("PUT", "/v1/contracts", contractBody(contract));
      expect(status).toBe(200);
    }
    for (const contract of contracts) {
      for (const profile of profiles) {
        const version = loadingVersion(contract, profile.firecracker);
        const { verdict } = judge(contract, profile, version);
        const ask = { contract: contractDigest(contract), labels: { test: profile.name } };
        const { body } = await operator("POST", "/v1/placements", ask);
        const pair = `${contract.node} on ${profile.name}`;
        expect([pair, body.eligible]).toEqual([pair, verdict === "compatible" ? 1 : 0]);
      }
    }
    const { body } = await operator("GET", "/v1/classes");
    const served = body.classes.flatMap(({ variants }: { variants: { serves: number }[] }) =>
      variants.map(({ serves }) => serves),
    );
    expect(Math.max(...served)).toBeGreaterThan(0);
  });

  test("a node speaks only for itself, in what it understands, and not at length", async () => {
    const { anyone, join, operator } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "honest"));
    const other = await join(profileNamed(CASCADE_LAKE, "victim"));
    const before = (await operator("GET", "/v1/nodes/victim")).body.profile;
    const forged = profileToJson({ ...node.profile, name: "victim" });
    const digest = profileDigest({ ...node.profile, name: "victim" });
    const report = { digest, profile: forged };
    expect(codeOf(await node.call("PUT", "/v1/node/profile", report))).toEqual([403, "NOT_YOURS"]);
    const wrong = { digest, profile: profileToJson(node.profile) };
    expect(codeOf(await node.call("PUT", "/v1/node/profile", wrong))).toEqual([400, "BAD_REQUEST"]);
    const named = await node.beat({ node: other.id });
    expect(codeOf(named)).toEqual([400, "BAD_REQUEST"]);
    const more = { digest, profile: { ...forged, secretMember: 1 } };
    const unknown = await node.call("PUT", "/v1/node/profile", more);
    expect(codeOf(unknown)).toEqual([400, "BAD_REQUEST"]);
    expect(unknown.body.error.message).toContain("secretMember");
    const contract = contractBody(contractFrom(node.profile)) as { vcpus: number };
    const changed = { ...contract, vcpus: contract.vcpus + 1 };
    const bad = await node.call("PUT", "/v1/node/contracts", changed);
    expect(codeOf(bad)).toEqual([400, "BAD_REQUEST"]);
    const added = { ...contract, extra: true };
    expect(codeOf(await node.call("PUT", "/v1/node/contracts", added))).toEqual([
      400,
      "BAD_REQUEST",
    ]);
    const long = await anyone("POST", "/v1/join", { secret: "x".repeat(9 * 1024 * 1024) });
    expect(codeOf(long)).toEqual([413, "BODY_TOO_LARGE"]);
    expect(codeOf(await anyone("POST", "/v1/join", "{"))).toEqual([400, "BAD_REQUEST"]);
    const proto = '{"__proto__": {"secret": 1}, "secret": "0123456789abcdef"}';
    expect(codeOf(await anyone("POST", "/v1/join", proto))).toEqual([400, "BAD_REQUEST"]);
    const type = { "content-type": "text/html" };
    expect(codeOf(await anyone("POST", "/v1/join", "x", type))).toEqual([415, "WRONG_MEDIA_TYPE"]);
    const twice = { digest: NO_SNAPSHOTS, snapshots: [1, 2] };
    expect(codeOf(await node.call("PUT", "/v1/node/snapshots", twice))).toEqual([
      400,
      "BAD_REQUEST",
    ]);
    expect((await operator("GET", "/v1/nodes/victim")).body.profile).toBe(before);
  });

  test("nobody gives a snapshot another contract than its manifest has, or another's manifest", async () => {
    const { operator, join } = fleet();
    const labels = { test: "forged" };
    const honest = await join(profileNamed(ICE_LAKE, "truthful"), labels);
    const liar = await join(profileNamed(CASCADE_LAKE, "liar"), labels);
    const genuine = holdSnapshot(honest, "base");
    await honest.call("PUT", "/v1/node/contracts", contractBody(genuine.contract));
    await genuine.prove();
    expect((await genuine.put()).body).toEqual({ missing: [], manifests: [] });
    // The liar holds the same snapshot, and says that it is its own CPU's.
    const own = contractFrom(liar.profile);
    await liar.call("PUT", "/v1/node/contracts", contractBody(own));
    const forged = { ...genuine.held, contract: contractDigest(own) };
    const report = { digest: "2".repeat(64), snapshots: [forged] };
    const answer = await liar.call("PUT", "/v1/node/snapshots", report);
    expect(codeOf(answer)).toEqual([400, "BAD_REQUEST"]);
    expect(answer.body.error.message).toContain("not what its manifest says");
    // A manifest that was changed is another snapshot's.
    const other = genuine.manifest.replace(contractDigest(genuine.contract), contractDigest(own));
    const { body } = await liar.call("PUT", "/v1/node/manifests", { manifests: [other] });
    expect(body.digests).not.toContain(genuine.held.digest);
    const twice = genuine.manifest.replace("{", '{"contract": "x", ');
    const bad = await liar.call("PUT", "/v1/node/manifests", { manifests: [twice] });
    expect(codeOf(bad)).toEqual([400, "BAD_REQUEST"]);
    const placed = await operator("POST", "/v1/placements", {
      snapshot: genuine.held.digest,
      labels,
    });
    expect(placed.body.nodes.map(({ name }: { name: string }) => name)).toEqual(["truthful"]);
  });

  test("a profile that changed holds the node back until drift calls it harmless, or an operator does", async () => {
    const { operator, join, tokenOf } = fleet();
    const labels = { test: "drift" };
    const node = await join(profileNamed(ICE_LAKE, "drifting"), labels);
    const contract = contractFrom(withoutAvx512(node.profile));
    await operator("PUT", "/v1/contracts", contractBody(contract));
    const ask = { contract: contractDigest(contract), labels };
    const eligible = async () => (await operator("POST", "/v1/placements", ask)).body.eligible;
    expect(await eligible()).toBe(1);
    const now = withoutAvx512(node.profile);
    const digest = profileDigest(now);
    // From the first heartbeat that names another profile, before anybody has seen it.
    const { body: told } = await node.beat({ profile: digest });
    expect(told.needs).toContain("profile");
    expect(await eligible()).toBe(0);
    const report = { digest, profile: profileToJson(now) };
    const { body: held } = await node.call("PUT", "/v1/node/profile", report);
    expect(held.held).toMatch(/^drift: changed: .*AVX512F/);
    expect((await node.beat({ profile: digest })).body.needs).not.toContain("profile");
    expect(await eligible()).toBe(0);
    const operate = await tokenOf("operate");
    expect(
      codeOf(await operate("POST", "/v1/nodes/drifting/release", { profile: digest })),
    ).toEqual([403, "FORBIDDEN"]);
    const release = async (profile: string) =>
      await operator("POST", "/v1/nodes/drifting/release", { profile });
    // Only what was looked at is released.
    expect(codeOf(await release(profileDigest(node.profile)))).toEqual([409, "WRONG_STATE"]);
    expect((await release(digest)).body.held).toBeNull();
    // What the changed node can resume is judged by what it is now.
    expect(await eligible()).toBe(1);
    const { body } = await operator("GET", "/v1/nodes/drifting/history");
    expect(body.history.map(({ drift }: { drift: string | null }) => drift)).toEqual([
      "changed",
      null,
    ]);
    // Another microcode that changes nothing a guest sees is nothing.
    const { kernel = "", cpuModel = "" } = now.host;
    const patched = { ...now, host: { kernel, microcode: "0xd0003f5", cpuModel } };
    const update = { digest: profileDigest(patched), profile: profileToJson(patched) };
    const { body: harmless } = await node.call("PUT", "/v1/node/profile", update);
    expect([harmless.held, harmless.microcode]).toEqual([null, "0xd0003f5"]);
  });

  test("a pool's plan is computed, compared, approved, fetched, and rolled back", async () => {
    const { operator, join } = fleet();
    const labels = { pool: "mixed" };
    const clx = await join(profileNamed(CASCADE_LAKE, "plan-clx"), labels);
    await join(profileNamed(ICE_LAKE, "plan-icx"), labels);
    const pool = { name: "mixed", selector: labels };
    expect((await operator("POST", "/v1/pools", pool)).status).toBe(201);
    const overlap = { name: "overlap", selector: { pool: "mixed" } };
    expect(codeOf(await operator("POST", "/v1/pools", overlap))).toEqual([409, "POOLS_OVERLAP"]);
    const compute = async (body: object) =>
      (await operator("POST", "/v1/pools/mixed/plans", body)).body;
    const approve = async (version: number, seen?: string) => {
      const path = `/v1/pools/mixed/plans/${version}`;
      const digest = seen ?? (await operator("GET", path)).body.digest;
      return await operator("POST", `${path}/approve`, { digest, atOnce: true });
    };
    const first = await compute({});
    expect([first.version, first.state, first.difference.from]).toEqual([1, "proposed", null]);
    expect(first.classes).toHaveLength(2);
    const untold = (await clx.beat()).body;
    expect([untold.plan, untold.pool]).toEqual([null, { name: "mixed", unplanned: "refuse" }]);
    expect(codeOf(await approve(1, "0".repeat(64)))).toEqual([409, "STALE_PLAN"]);
    expect((await approve(1)).body.state).toBe("running");
    const { plan: wanted } = (await clx.beat()).body;
    expect(wanted).toEqual({ pool: "mixed", version: 1, digest: first.digest });
    const { body: files } = await clx.call("GET", "/v1/node/plan");
    expect(files.digest).toBe(first.digest);
    expect(Object.keys(files.templates)).toHaveLength(2);

    const second = await compute({ forbid: ["AVX512F"] });
    expect(second.difference).toMatchObject({ from: 1, gained: [] });
    expect(second.difference.lost).toContain("AVX512F");
    const third = await compute({});
    expect((await approve(2)).body.state).toBe("running");
    // The third was compared with the first, which does not run any more.
    expect(codeOf(await approve(3))).toEqual([409, "STALE_PLAN"]);
    expect(third.version).toBe(3);
    expect((await approve(1)).body.state).toBe("running");
    expect((await clx.beat()).body.plan).toEqual(wanted);
    await clx.beat({ plan: wanted });
    expect((await operator("GET", "/v1/pools/mixed")).body).toMatchObject({
      running: 1,
      applied: 1,
    });
    const refused = await operator("POST", "/v1/pools/mixed/plans", { require: ["AMX_TILE"] });
    expect(codeOf(refused)).toEqual([409, "PLAN_REFUSED"]);
    expect(refused.body.error.message).toContain("AMX_TILE");
    expect(codeOf(await operator("POST", "/v1/pools/mixed/plans", { require: ["?"] }))).toEqual([
      400,
      "BAD_REQUEST",
    ]);
  });

  test("a request that is sent again with its key is done once", async () => {
    const { operator } = fleet();
    const headers = { "idempotency-key": "k-1" };
    const pool = { name: "idem", selector: { idem: "1" } };
    const answers = await Promise.all(
      [1, 2, 3].map(async () => await operator("POST", "/v1/pools", pool, headers)),
    );
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    const other = { name: "idem-2", selector: { idem: "2" } };
    const reused = await operator("POST", "/v1/pools", other, headers);
    expect(codeOf(reused)).toEqual([409, "KEY_REUSED"]);
    const again = await operator("POST", "/v1/pools", pool, { "idempotency-key": "k-2" });
    expect(codeOf(again)).toEqual([409, "NAME_TAKEN"]);
    const { body } = await operator("GET", "/v1/audit");
    const made = body.entries.filter(({ subject }: { subject: string }) => subject === "idem");
    expect(made).toHaveLength(1);
    // Secrets are not kept, so their requests cannot be repeated.
    const token = await operator("POST", "/v1/join-tokens", {}, headers);
    expect(codeOf(token)).toEqual([400, "BAD_REQUEST"]);
  });

  test("started again, the server knows what it knew, and makes no second first token", async () => {
    const { operator, restart, join } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "before-restart"));
    const before = await operator("GET", "/v1/contracts");
    const server = await restart();
    expect(server.firstToken).toBeUndefined();
    expect(await operator("GET", "/v1/contracts")).toEqual(before);
    expect((await node.beat()).status).toBe(200);
  });
});

describe.each(STORES)("silence on %s", (store) => {
  const times = { heartbeatSeconds: 0.5, suspectSeconds: 1.5, lostSeconds: 3 };
  const fleet = useFleet(store, { times });

  test("a silent node is suspect, then lost, and gets nothing; a heartbeat brings it back", async () => {
    const { operator, join } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "silent"));
    const contract = contractFrom(node.profile);
    await operator("PUT", "/v1/contracts", contractBody(contract));
    const ask = { contract: contractDigest(contract) };
    const filters = async () =>
      (await operator("POST", "/v1/placements", ask)).body.filters as { filter: string }[];
    const until = async (filter: string | undefined) => {
      for (let tries = 0; tries < 100; tries++) {
        if ((await filters())[0]?.filter === filter) return true;
        if (filter === undefined) await node.beat();
        await sleep(50);
      }
      return false;
    };
    expect(await until(undefined)).toBe(true);
    expect(await until("suspect")).toBe(true);
    expect(await until("lost")).toBe(true);
    const { body } = await operator("GET", "/v1/nodes/silent");
    expect(body.state).toBe("lost");
    expect(await until(undefined)).toBe(true);
  });
});
