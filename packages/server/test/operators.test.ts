/** What operators cannot get around: releases, cordons, approvals of what they did not see. */
import { profileDigest, profileToJson, type NodeProfile } from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { STORES } from "./postgres.ts";
import {
  CASCADE_LAKE,
  contractBody,
  contractFrom,
  ICE_LAKE,
  profileNamed,
  useFleet,
  type Answer,
  type Call,
} from "./support.ts";

function codeOf({ status, body }: Answer): unknown[] {
  return [status, body?.error?.code];
}

function without(profile: NodeProfile, bit: number): NodeProfile {
  const cpuid = profile.cpu.cpuid.map((entry) =>
    entry.leaf === 7 && entry.subleaf === 0
      ? { ...entry, ebx: (entry.ebx & ~(1 << bit)) >>> 0 }
      : entry,
  );
  return { ...profile, cpu: { ...profile.cpu, cpuid } };
}

const AVX512F = 16;

async function approve(operator: Call, pool: string, version: number): Promise<Answer> {
  const path = `/v1/pools/${pool}/plans/${version}`;
  const { digest } = (await operator("GET", path)).body;
  return await operator("POST", `${path}/approve`, { digest, atOnce: true });
}

describe.each(STORES)("on %s", (store) => {
  const fleet = useFleet(store);

  test("a held or cordoned node stays so when it is deleted and joins again", async () => {
    const { operator, join, tokenOf } = fleet();
    const labels = { test: "again" };
    const before = profileNamed(ICE_LAKE, "again");
    const now = without(before, AVX512F);
    const node = await join(before, labels);
    await node.beat({ profile: profileDigest(now) });
    const report = { digest: profileDigest(now), profile: profileToJson(now) };
    expect((await node.call("PUT", "/v1/node/profile", report)).body.held).toContain("AVX512F");
    const operate = await tokenOf("operate");
    await operate("PATCH", "/v1/nodes/again", { cordoned: true });
    expect((await operate("DELETE", "/v1/nodes/again")).status).toBe(204);
    await join(now, labels);
    const { body: back } = await operator("GET", "/v1/nodes/again");
    expect(back.held).toContain("AVX512F");
    expect(back.cordoned).toBe(true);
    await operate("PATCH", "/v1/nodes/again", { cordoned: false });
    const contract = contractFrom(now);
    await operator("PUT", "/v1/contracts", contractBody(contract));
    const release = { profile: back.profile };
    expect(codeOf(await operate("POST", "/v1/nodes/again/release", release))).toEqual([
      403,
      "FORBIDDEN",
    ]);
    expect((await operator("POST", "/v1/nodes/again/release", release)).body.held).toBeNull();
    // One that is what it was comes back as it went; the contract is stranded with it.
    expect((await operate("DELETE", "/v1/nodes/again?strand=1")).status).toBe(204);
    await join(now, labels);
    expect((await operator("GET", "/v1/nodes/again")).body.held).toBeNull();
    const { body } = await operator("GET", "/v1/nodes/again/history");
    expect(body.history[0].drift).toBe("none");
  });

  test("a profile that changed again since it was looked at is not released", async () => {
    const { operator, join } = fleet();
    const before = profileNamed(ICE_LAKE, "twice");
    const [first, second] = [without(before, AVX512F), without(before, 17)];
    const node = await join(before);
    const tell = async (profile: NodeProfile) => {
      const digest = profileDigest(profile);
      const report = { digest, profile: profileToJson(profile) };
      return (await node.call("PUT", "/v1/node/profile", report)).body;
    };
    const seen = await tell(first);
    expect(seen.held).not.toBeNull();
    const release = async (profile: string) =>
      await operator("POST", "/v1/nodes/twice/release", { profile });
    // A heartbeat names another profile, which nobody has looked at.
    await node.beat({ profile: profileDigest(second) });
    expect(codeOf(await release(seen.profile))).toEqual([409, "WRONG_STATE"]);
    const again = await tell(second);
    expect(codeOf(await release(seen.profile))).toEqual([409, "WRONG_STATE"]);
    expect((await release(again.profile)).body.held).toBeNull();
  });

  test("an approval is for the nodes that were planned, and no others", async () => {
    const { operator, join } = fleet();
    const labels = { pool: "moving" };
    await join(profileNamed(ICE_LAKE, "moving-icx"), labels);
    await operator("POST", "/v1/pools", { name: "moving", selector: labels });
    const plan = async () => (await operator("POST", "/v1/pools/moving/plans", {})).body;
    expect((await plan()).version).toBe(1);
    // A node of the same kind changes nothing; one of another does.
    await join(profileNamed(ICE_LAKE, "moving-icx-2"), labels);
    await join(profileNamed(CASCADE_LAKE, "moving-clx"), labels);
    const stale = await approve(operator, "moving", 1);
    expect(codeOf(stale)).toEqual([409, "STALE_PLAN"]);
    expect(stale.body.error.message).toContain("without moving-clx");
    expect((await plan()).version).toBe(2);
    expect((await approve(operator, "moving", 2)).body.state).toBe("running");
    // A pool of the same name is another one: what was seen of the first is not approved for it.
    const { digest } = (await operator("GET", "/v1/pools/moving/plans/2")).body;
    await operator("DELETE", "/v1/pools/moving");
    await operator("POST", "/v1/pools", { name: "moving", selector: labels });
    await operator("POST", "/v1/pools/moving/plans", { forbid: ["AVX512F"] });
    const path = "/v1/pools/moving/plans/1/approve";
    expect(codeOf(await operator("POST", path, { digest }))).toEqual([409, "STALE_PLAN"]);
    expect(codeOf(await operator("POST", path, {}))).toEqual([400, "BAD_REQUEST"]);
  });
});
