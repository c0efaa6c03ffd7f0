/** A plan version reaches its pool in waves, stops at the first node that it does not fit, and goes back. */
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  chooseCanaries,
  isReleased,
  nextStep,
  type Member,
  type Wave,
} from "../src/pools/waves.ts";
import { STORES } from "./postgres.ts";
import {
  CASCADE_LAKE,
  ICE_LAKE,
  profileNamed,
  useFleet,
  type Answer,
  type TestNode,
} from "./support.ts";

const DIGEST = "a".repeat(64);

const member = (id: string, change: Partial<Member> = {}): Member => ({
  id,
  name: id,
  class: "c",
  isReady: true,
  applied: null,
  refused: null,
  error: null,
  ...change,
});

describe("waves", () => {
  const wave = (change: Partial<Wave> = {}): Wave => ({
    stage: "canary",
    state: "rolling",
    canaries: ["a"],
    ...change,
  });

  test("each wave tells the nodes of the one before, and one that was halted tells nobody", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), (ids) => {
        const canaries = ids.slice(0, 1);
        const told = (stage: Wave["stage"], state: Wave["state"] = "rolling") =>
          ids.filter((id) => isReleased({ stage, state, canaries }, id));
        expect(told("canary")).toEqual(canaries);
        expect(told("share")).toEqual(expect.arrayContaining(told("canary")));
        expect(told("all")).toEqual(ids);
        expect(told("all", "halted")).toEqual([]);
      }),
    );
  });

  test("a class is tried on its first node that is ready, or on none", () => {
    const chosen = chooseCanaries([
      member("b"),
      member("a", { isReady: false }),
      member("x", { class: "d", isReady: false }),
    ]);
    expect([chosen.get("c")?.id, chosen.get("d")]).toEqual(["b", undefined]);
  });

  test("it waits for those that are told, halts at a refusal, and for a canary that says nothing", () => {
    const [applied, refused] = [{ applied: DIGEST }, { refused: DIGEST, error: "no" }];
    const step = (members: Member[], change: Partial<Wave> = {}, seconds = 1) =>
      nextStep(wave(change), DIGEST, members, seconds);
    expect(step([member("a"), member("b")])).toEqual({ kind: "wait" });
    expect(step([member("a", applied), member("b")])).toEqual({ kind: "next", stage: "share" });
    expect(step([member("a", refused), member("b")])).toEqual({ kind: "halt", why: "a: no" });
    // What another version said, or a node that is not told yet, halts nothing.
    expect(step([member("a", { refused: "b".repeat(64) })])).toEqual({ kind: "wait" });
    expect(step([member("a"), member("b", refused)])).toEqual({ kind: "wait" });
    const silent = member("a", { isReady: false });
    expect(step([silent], {}, 599)).toEqual({ kind: "wait" });
    expect(step([silent], {}, 600)).toMatchObject({ kind: "halt" });
    expect(step([member("b")])).toMatchObject({ kind: "halt" });
    // Later waves do not wait for nodes that are away.
    const away = member("b", { isReady: false });
    expect(step([member("a", applied), away], { stage: "all" })).toEqual({ kind: "done" });
    expect(step([member("a", applied)], { state: "halted" })).toEqual({ kind: "wait" });
  });
});

describe.each(STORES)("on %s", (store) => {
  const fleet = useFleet(store);

  async function makePool(pool: string) {
    const { operator, join } = fleet();
    const labels = { pool };
    const nodes: TestNode[] = [];
    for (const [name, file] of [
      ["clx-1", CASCADE_LAKE],
      ["icx-1", ICE_LAKE],
      ["icx-2", ICE_LAKE],
      ["icx-3", ICE_LAKE],
    ] as const) {
      nodes.push(await join(profileNamed(file, `${pool}-${name}`), labels));
    }
    await operator("POST", "/v1/pools", { name: pool, selector: labels });
    const approve = async (body: object, more: object = {}): Promise<Answer["body"]> => {
      const { body: plan } = await operator("POST", `/v1/pools/${pool}/plans`, body);
      const path = `/v1/pools/${pool}/plans/${plan.version}/approve`;
      const answer = await operator("POST", path, { digest: plan.digest, ...more });
      expect(answer.status).toBe(200);
      return answer.body;
    };
    const applied = new Map<string, unknown>();
    /** As an agent does: it applies what it is told, and says so. */
    const follow = async (node: TestNode) => {
      const plan = applied.get(node.id);
      const told = (await node.beat(plan === undefined ? {} : { plan })).body.plan;
      if (told === null) applied.delete(node.id);
      else applied.set(node.id, told);
      return told?.version ?? null;
    };
    const told = async () => {
      const versions: unknown[] = [];
      for (const node of nodes) versions.push(await follow(node));
      return versions;
    };
    /** `node`: the one that would go on, and take back what it said. */
    const until = async (state: string, node?: TestNode) => {
      for (let tries = 0; tries < 200; tries++) {
        const { body } = await operator("GET", `/v1/pools/${pool}`);
        if (body.rollout?.state === state) return body;
        for (const other of nodes) if (other !== node) await follow(other);
        await sleep(100);
      }
      throw new Error(`the rollout is never ${state}`);
    };
    return { operator, nodes, approve, follow, told, until, applied };
  }

  test("a node of each class first, then all, and what runs is what all were told", async () => {
    const { operator, approve, told, until } = await makePool("waves");
    expect((await approve({})).state).toBe("rolling");
    expect(await told()).toEqual([1, 1, null, null]);
    const path = "/v1/pools/waves/plans/1/approve";
    const { digest } = (await operator("GET", "/v1/pools/waves/plans/1")).body;
    expect((await operator("POST", path, { digest })).body.error.code).toBe("WRONG_STATE");
    const done = await until("done");
    expect(done).toMatchObject({ running: 1, rollout: { version: 1, stage: "all" } });
    expect(await told()).toEqual([1, 1, 1, 1]);
    const { body } = await operator("GET", "/v1/audit");
    const steps = body.entries.filter(({ action }: { action: string }) =>
      action.startsWith("rollout"),
    );
    expect(steps.map(({ action }: { action: string }) => action).toReversed()).toEqual([
      "rollout.advanced",
      "rollout.advanced",
      "rollout.done",
    ]);
  });

  test("a class that the version does not fit halts it; the others never had it, the canaries go back", async () => {
    const { operator, approve, nodes, follow, told, until } = await makePool("halts");
    const first = await approve({}, { atOnce: true });
    expect([first.state, await told()]).toEqual(["running", [1, 1, 1, 1]]);
    const second = await approve({ forbid: ["AVX512F"] });
    const [clx, icx, ...others] = nodes;
    if (clx === undefined || icx === undefined) throw new Error("four nodes");
    expect([await follow(clx), await follow(icx)]).toEqual([2, 2]);
    const reference = { pool: "halts", version: 1, digest: first.digest };
    await icx.beat({ plan: reference, planError: "a bit is lost", planRefused: second.digest });
    for (const node of others) expect(await follow(node)).toBe(1);
    const halted = await until("halted", icx);
    expect(halted.running).toBe(1);
    expect(halted.rollout.why).toBe("halts-icx-1: a bit is lost");
    expect(await told()).toEqual([1, 1, 1, 1]);
    const plan = (await clx.call("GET", "/v1/node/plan")).body;
    expect([plan.version, plan.digest]).toEqual([1, first.digest]);
    const { body } = await operator("GET", "/v1/pools/halts/plans/2");
    expect(body.state).toBe("proposed");
  });

  test("an operator halts a rollout, and a version that ran before comes back to all at once", async () => {
    const { operator, approve, told, until } = await makePool("back");
    const first = await approve({}, { atOnce: true });
    await approve({ forbid: ["AVX512F"] });
    expect(await told()).toEqual([2, 2, 1, 1]);
    expect((await operator("POST", "/v1/pools/back/halt", {})).body.rollout.state).toBe("halted");
    expect(await told()).toEqual([1, 1, 1, 1]);
    const again = await operator("POST", "/v1/pools/back/halt", {});
    expect(again.body.error.code).toBe("WRONG_STATE");
    await approve({ forbid: ["AVX512F"] });
    await until("done");
    expect(await told()).toEqual([3, 3, 3, 3]);
    const path = "/v1/pools/back/plans/1/approve";
    await operator("POST", path, { digest: first.digest });
    expect(await told()).toEqual([1, 1, 1, 1]);
  });

  test("a class without a node that is ready is not tried blindly", async () => {
    const { operator, nodes } = await makePool("blind");
    await operator("PATCH", `/v1/nodes/${nodes[0]?.name}`, { cordoned: true });
    const { body: plan } = await operator("POST", "/v1/pools/blind/plans", {});
    const path = "/v1/pools/blind/plans/1/approve";
    const answer = await operator("POST", path, { digest: plan.digest });
    expect(answer.body.error.code).toBe("WRONG_STATE");
    expect(answer.body.error.message).toContain("no node to try version 1 on");
  });
});
