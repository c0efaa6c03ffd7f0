import type { NodeView, PoolView } from "@evenkeel/api";
import { expect, test } from "vitest";
import { labelLines } from "../src/render/labels.ts";

const plan = { pool: "mixed", version: 2, digest: "a".repeat(64) };

function node(change: Partial<NodeView>): NodeView {
  return {
    id: "n-aaaaaaaaaaaaaaaa",
    name: "node-1",
    state: "ready",
    held: null,
    cordoned: false,
    class: "ice-lake-sp-8b816b",
    variant: null,
    labels: {},
    pool: "mixed",
    plan,
    planError: null,
    capacity: { sandboxes: 0, maxSandboxes: 1, memoryMib: 0, maxMemoryMib: 1 },
    profile: "b".repeat(64),
    firecracker: [],
    kernel: null,
    microcode: null,
    joined: "2026-01-01T00:00:00.000Z",
    seen: "2026-01-01T00:00:00.000Z",
    certificateExpires: "2026-01-01T00:00:00.000Z",
    ...change,
  };
}

const pool: PoolView = {
  name: "mixed",
  selector: {},
  strategy: "spread",
  unplanned: "refuse",
  rollout: null,
  nodes: [],
  running: 2,
  applied: 0,
  created: "2026-01-01T00:00:00.000Z",
};

function lines(format: "kubernetes" | "nomad", change: Partial<NodeView> = {}): string[] {
  return labelLines(format, [node(change)], [pool]);
}

test("a node has its class, pool and the plan that it applies", () => {
  expect(lines("kubernetes")).toEqual([
    "kubectl label node node-1 --overwrite evenkeel.dev/class=ice-lake-sp-8b816b evenkeel.dev/pool=mixed evenkeel.dev/plan=mixed-2",
  ]);
  expect(lines("nomad")).toEqual([
    `id="$(nomad node status -quiet -filter 'Name == "node-1"')" && [ -n "$id" ] && nomad node meta apply -node-id "$id" evenkeel_class=ice-lake-sp-8b816b evenkeel_pool=mixed evenkeel_plan=mixed-2`,
  ]);
});

test.each([
  [{ planError: "half" }],
  [{ plan: null }],
  [{ plan: { ...plan, version: 1 } }],
  [{ plan: { ...plan, pool: "other" } }],
])("a plan that does not run there is taken away: %j", (change) => {
  expect(lines("kubernetes", change)[0]).toMatch(/evenkeel.dev\/pool=mixed evenkeel.dev\/plan-$/);
  expect(lines("nomad", change)[0]).toContain(" -unset evenkeel_plan ");
});

test.each([[{ held: "drift" }], [{ state: "lost" as const }]])(
  "of a node that changed or is lost nothing is said any more: %j",
  (change) => {
    expect(lines("kubernetes", change)).toEqual([
      "kubectl label node node-1 --overwrite evenkeel.dev/class- evenkeel.dev/pool- evenkeel.dev/plan-",
    ]);
    expect(lines("nomad", change)[0]).toMatch(
      / -unset evenkeel_class,evenkeel_pool,evenkeel_plan$/,
    );
  },
);

test("nothing that a shell would take for its own gets into a command", () => {
  expect(lines("kubernetes", { name: "a;reboot" })).toEqual([]);
  expect(lines("kubernetes", { class: "$(reboot)" })[0]).toContain("evenkeel.dev/class- ");
});
