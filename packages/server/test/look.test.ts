/** What the pages are drawn from, on both stores. */
import { describe, expect, test } from "vitest";
import { STORES } from "./postgres.ts";
import { CASCADE_LAKE, ICE_LAKE, profileNamed, useFleet } from "./support.ts";

describe.each(STORES)("on %s", (store) => {
  const fleet = useFleet(store);

  test("an empty fleet has nothing to show, and says so", async () => {
    const { operator } = fleet();
    const overview = await operator("GET", "/v1/overview");
    expect(overview).toMatchObject({ status: 200, body: { nodes: { all: 0 }, classes: [] } });
    const compatibility = await operator("GET", "/v1/compatibility");
    expect(compatibility).toMatchObject({
      status: 200,
      body: { classes: [], moves: [], hidden: 0 },
    });
    expect(await operator("GET", "/v1/drifts")).toEqual({
      status: 200,
      body: { changes: [], more: false },
    });
    await operator("POST", "/v1/pools", { name: "none", selector: { pool: "none" } });
    const tree = await operator("GET", "/v1/pools/none/tree");
    expect(tree.body).toEqual({ classes: [], tree: [], refused: ["The pool has no nodes."] });
    expect(await operator("GET", "/v1/pools/none/rollout")).toMatchObject({ status: 404 });
    expect(await operator("GET", `/v1/snapshots/${"0".repeat(64)}`)).toMatchObject({ status: 404 });
  });

  test("what is left if a class goes is what the open nodes of the others have", async () => {
    const { operator, join } = fleet();
    const old = await join(profileNamed(CASCADE_LAKE, "clx"), { pool: "one" });
    await join(profileNamed(ICE_LAKE, "icx-a"), { pool: "one" });
    await join(profileNamed(ICE_LAKE, "icx-b"), { pool: "one" });
    await old.beat({
      capacity: { sandboxes: 4, maxSandboxes: 10, memoryMib: 1000, maxMemoryMib: 8192 },
    });
    await operator("PATCH", "/v1/nodes/icx-b", { cordoned: true });
    const { body } = await operator("GET", "/v1/overview");
    expect(body.nodes).toEqual({ all: 3, ready: 3, suspect: 0, lost: 0, held: 0, cordoned: 1 });
    expect(body.used.sandboxes).toBe(4);
    expect(body.room.sandboxes).toBe(20);
    const [clx, icx] = body.classes;
    expect(clx).toMatchObject({ nodes: 1, open: 1, left: { sandboxes: 6 } });
    expect(icx).toMatchObject({ nodes: 2, open: 1, left: { sandboxes: 6 } });
    await operator("POST", "/v1/pools", { name: "one", selector: { pool: "one" } });
    const tree = await operator("GET", "/v1/pools/one/tree");
    expect(tree.body.classes).toHaveLength(2);
    // Counted once per node: Ice Lake's features twice, Cascade Lake's once.
    const [{ left, leftLoses, rightLoses, cost }] = tree.body.tree;
    const isIceLeft = String(left[0]).startsWith("ice");
    const [ice, cascade] = isIceLeft ? [leftLoses, rightLoses] : [rightLoses, leftLoses];
    expect(cost).toBe(2 * ice.length + cascade.length);
    const view = await fleet().tokenOf("view");
    expect(await view("GET", "/v1/overview")).toMatchObject({ status: 200 });
    expect(await fleet().anyone("GET", "/v1/overview")).toMatchObject({ status: 401 });
  });
});
