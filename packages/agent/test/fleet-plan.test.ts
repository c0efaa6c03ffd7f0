/** Which plan shapes a node's cold boots, through refusals, rollbacks and restarts. */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PlanFiles } from "@evenkeel/api";
import {
  ALL_LINES,
  formatTemplate,
  parseIdentity,
  planPool,
  planToJson,
  readProfile,
  type NodeProfile,
} from "@evenkeel/core";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import type { Context } from "../src/sandboxes/context.ts";
import { currentShape, shapeForBoot } from "../src/cpu/current.ts";
import { NO_SHAPE } from "../src/cpu/shape.ts";
import { openEventLog } from "../src/events/log.ts";
import { appliedNow, beginApplying, follow } from "../src/fleet/apply.ts";
import type { FleetClient } from "../src/fleet/client.ts";
import { fleetPaths } from "../src/fleet/identity.ts";
import type { Told } from "../src/fleet/orders.ts";

const POOL = fileURLToPath(new URL("../../../examples/bug-report-pool", import.meta.url));

function profileOf(file: string, name: string): NodeProfile {
  const text = readFileSync(join(POOL, file), "utf8");
  return { ...readProfile(JSON.parse(text), name), name, firecracker: ["1.14.1"] };
}

const ICX = profileOf("xeon-silver-4314.json", "icx");
const CLX = profileOf("xeon-silver-4216.json", "clx");

function planFor(version: number, profiles: readonly NodeProfile[]): PlanFiles {
  const result = planPool(profiles, { identity: parseIdentity("oldest"), firecracker: ALL_LINES });
  if (!result.ok) throw new Error("no plan");
  const plan = JSON.parse(JSON.stringify(planToJson(result.plan))) as Record<string, unknown>;
  const templates = Object.fromEntries(
    result.plan.classes.map(({ file, template }) => [file, formatTemplate(template)]),
  );
  const digest = createHash("sha256").update(JSON.stringify({ plan, templates })).digest("hex");
  return { pool: "p", version, digest, plan, templates };
}

const BOTH = planFor(1, [ICX, CLX]);
const ALONE = planFor(2, [ICX]);
/** Has no class for the node. */
const OTHERS = planFor(3, [CLX]);

function told(files: PlanFiles | null, unplanned: "refuse" | "allow" = "refuse"): Told {
  const wanted = files && { pool: files.pool, version: files.version, digest: files.digest };
  return { pool: { name: "p", unplanned }, wanted };
}

/** A node on a disk of its own; `start` is what a restart of its agent does. */
function node() {
  const data = mkdtempSync(join(tmpdir(), "ek-plan-"));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const events: string[] = [];
  const answers = { sends: undefined as unknown, asked: 0 };
  const client: FleetClient = {
    call: async () => {
      answers.asked += 1;
      if (answers.sends === undefined) throw new Error("no answer in time");
      return answers.sends;
    },
    close: () => {},
  };
  const machine = { profile: ICX };
  const start = () => {
    const shapes = currentShape(NO_SHAPE);
    const context = {
      get profile() {
        return machine.profile;
      },
      releases: { versions: ["1.14.1"] },
      settings: { allowInsecure: false },
      events: openEventLog(100, ({ type }) => void events.push(type)),
      report: () => {},
    } as unknown as Context;
    const state = beginApplying(context, fleetPaths(data), shapes);
    return {
      state,
      kind: () => shapes.state().kind,
      boot: () => shapeForBoot(shapes),
      hear: async (what: Told) => await follow(state, client, what),
      plan: () => appliedNow(state)?.version,
    };
  };
  return { data, events, answers, start, machine };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("until the server has spoken, and until the pool's plan is applied, nothing boots cold", async () => {
  const { answers, start, events } = node();
  const agent = start();
  expect(agent.boot).toThrow(expect.objectContaining({ code: "NO_PLAN" }));
  await agent.hear({ pool: null, wanted: null });
  expect([agent.kind(), agent.boot()]).toEqual(["own", { shape: NO_SHAPE }]);
  await agent.hear(told(null));
  expect(agent.boot).toThrow("pool p has no approved plan");
  await agent.hear(told(BOTH));
  expect(agent.boot).toThrow("version 1 of pool p's plan is not applied: no answer in time");
  answers.sends = BOTH;
  vi.setSystemTime(Date.now() + 6000);
  await agent.hear(told(BOTH));
  expect(agent.boot().shape.plan).toBe(BOTH.digest);
  expect(events).toEqual([
    "boots.refused",
    "boots.refused",
    "boots.refused",
    "boots.refused",
    "plan.applied",
  ]);
});

test("a pool that does without a plan boots by the host's CPU, and says so", async () => {
  const { start, events } = node();
  const agent = start();
  await agent.hear(told(null, "allow"));
  expect(agent.boot()).toEqual({ shape: NO_SHAPE, unplanned: "pool p has no approved plan" });
  expect(events).toEqual(["boots.refused", "boots.unplanned"]);
});

test("a plan that was withdrawn or rolled back does not come back, whatever restarts", async () => {
  const { answers, start, data } = node();
  let agent = start();
  answers.sends = BOTH;
  await agent.hear(told(BOTH));
  answers.sends = ALONE;
  await agent.hear(told(ALONE));
  expect(agent.plan()).toBe(2);
  // What is not applied is not kept.
  expect(readdirSync(join(data, "fleet/plans"))).toEqual([`${ALONE.digest}.json`]);
  agent = start();
  expect([agent.kind(), agent.plan()]).toEqual(["plan", 2]);
  // Rolled back while the first version cannot be fetched: the second is nobody's any more.
  answers.sends = undefined;
  await agent.hear(told(BOTH));
  expect([agent.kind(), agent.plan()]).toEqual(["refused", undefined]);
  agent = start();
  expect([agent.kind(), agent.plan()]).toEqual(["refused", undefined]);
  answers.sends = BOTH;
  vi.setSystemTime(Date.now() + 400_000);
  await agent.hear(told(BOTH));
  expect(agent.plan()).toBe(1);
  // Withdrawn altogether.
  await agent.hear(told(null));
  agent = start();
  expect([agent.kind(), agent.plan()]).toEqual(["refused", undefined]);
  // Of another pool.
  await agent.hear({ pool: { name: "q", unplanned: "refuse" }, wanted: null });
  expect(agent.kind()).toBe("refused");
});

test("the version before stays while the next cannot be applied, over a restart as well", async () => {
  const { answers, start } = node();
  let agent = start();
  answers.sends = ALONE;
  await agent.hear(told(ALONE));
  answers.sends = OTHERS;
  await agent.hear(told(OTHERS));
  expect([agent.kind(), agent.plan()]).toEqual(["plan", 2]);
  agent = start();
  expect([agent.kind(), agent.plan()]).toEqual(["plan", 2]);
});

test("a plan that does not fit is fetched once, remembered by its digest, and reported", async () => {
  const { answers, start, events, machine } = node();
  const agent = start();
  answers.sends = OTHERS;
  for (let beat = 0; beat < 20; beat++) await agent.hear(told(OTHERS));
  expect(answers.asked).toBe(1);
  expect(agent.state.planError).toContain("no class that matches");
  expect(events.filter((type) => type === "plan.refused")).toHaveLength(1);
  // Another node, as it were: the answer may be another.
  machine.profile = CLX;
  await agent.hear(told(OTHERS));
  expect([agent.plan(), answers.asked, agent.state.planError]).toEqual([3, 1, undefined]);
  // And back: what was applied does not fit any more.
  machine.profile = ICX;
  await agent.hear(told(OTHERS));
  expect([agent.kind(), agent.plan()]).toEqual(["refused", undefined]);
});

test("a plan that cannot be had, or is not the one that was named, is asked for ever more rarely", async () => {
  const { answers, start } = node();
  const agent = start();
  for (const sends of [undefined, { ...BOTH, templates: {} }, { ...BOTH, version: 7 }]) {
    answers.sends = sends;
    const before = answers.asked;
    for (let second = 0; second < 100; second++) {
      await agent.hear(told(BOTH));
      vi.setSystemTime(Date.now() + 1000);
    }
    expect(answers.asked - before).toBeLessThan(8);
    expect(agent.kind()).toBe("refused");
  }
  // Another version is asked for at once.
  answers.sends = ALONE;
  await agent.hear(told(ALONE));
  expect(agent.plan()).toBe(2);
});

test("a plan's file that was changed, or orders that cannot be read, shape nothing", async () => {
  const { answers, start, data } = node();
  let agent = start();
  answers.sends = BOTH;
  await agent.hear(told(BOTH));
  const file = join(data, "fleet/plans", `${BOTH.digest}.json`);
  writeFileSync(file, readFileSync(file, "utf8").replace("0x", "0b"));
  agent = start();
  expect(agent.kind()).toBe("refused");
  await agent.hear(told(BOTH));
  expect([agent.kind(), answers.asked]).toEqual(["plan", 2]);
  writeFileSync(join(data, "fleet/orders.json"), "{");
  agent = start();
  expect(agent.kind()).toBe("refused");
  expect(existsSync(file)).toBe(true);
});

test("a disk that takes no orders says nothing of the plan: the next heartbeat tries again", async () => {
  const { answers, start, data, events } = node();
  const agent = start();
  const orders = join(data, "fleet/orders.json");
  // Once the plan is there, no file can be put in the place of this one.
  Object.defineProperty(answers, "sends", {
    get: () => {
      rmSync(orders, { force: true, recursive: true });
      mkdirSync(join(orders, "in the way"), { recursive: true });
      return BOTH;
    },
  });
  await expect(agent.hear(told(BOTH))).rejects.toThrow("directory");
  expect([agent.plan(), agent.state.refusal]).toEqual([undefined, undefined]);
  expect(events).not.toContain("plan.refused");
  rmSync(orders, { recursive: true });
  await agent.hear(told(BOTH));
  expect([agent.plan(), answers.asked]).toEqual([1, 1]);
});
