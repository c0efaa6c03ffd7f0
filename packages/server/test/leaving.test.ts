/** Nodes that leave: what they were to do is given up, and what they strand is counted once. */
import { contractDigest } from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { connectTo, STORES } from "./postgres.ts";
import {
  CASCADE_LAKE,
  contractBody,
  contractFrom,
  ICE_LAKE,
  profileNamed,
  snapshotOf,
  until,
  useFleet,
  type TestNode,
} from "./support.ts";

/** What nodes hold, told to the server; of a guest that booted on the first of them. */
async function hold(nodes: readonly TestNode[], name: string) {
  const [first] = nodes;
  if (first === undefined) throw new Error("a node");
  const contract = contractFrom(first.profile);
  const { held, manifest } = snapshotOf(contract, name);
  await first.call("PUT", "/v1/node/contracts", contractBody(contract));
  await first.call("PUT", "/v1/node/manifests", { manifests: [manifest] });
  for (const node of nodes) {
    const list = { digest: held.digest, snapshots: [held] };
    const { body } = await node.call("PUT", "/v1/node/snapshots", list);
    expect(body).toEqual({ missing: [], manifests: [] });
    await node.beat({ snapshots: held.digest });
  }
  return { digest: held.digest, contract: contractDigest(contract) };
}

/** A node's call for work, with a list of its sandboxes; it may wait for work. */
function sandboxOn(node: TestNode, id: string, change: object) {
  const facts = { memoryMib: 512, labels: {}, created: "2026-01-01T00:00:00.000Z" };
  return node.call("POST", "/v1/node/work", {
    running: [],
    sandboxes: [{ id, state: "running", ...facts, ...change }],
  });
}

describe.each(STORES)("on %s", (store) => {
  const fleet = useFleet(store);

  test("a sandbox whose work a deleted node was to do is what it was before, and can be acted on", async () => {
    const { operator, join } = fleet();
    const [a, b] = [
      await join(profileNamed(ICE_LAKE, "stays")),
      await join(profileNamed(ICE_LAKE, "leaves")),
    ];
    const { digest: snapshot, contract } = await hold([a, b], "kept");
    const told = sandboxOn(a, "guest", { state: "paused", snapshot, contract });
    const sandbox = async () => (await operator("GET", "/v1/sandboxes/guest")).body;
    await until("the sandbox is known", async () => (await sandbox()).state === "paused");
    const resumed = operator("POST", "/v1/sandboxes/guest/resume", { node: "leaves" });
    await until("it resumes", async () => (await sandbox()).state === "resuming");
    expect((await operator("DELETE", "/v1/nodes/leaves")).status).toBe(204);
    expect(await sandbox()).toMatchObject({
      state: "paused",
      node: "stays",
      error: expect.stringContaining("leaves was deleted"),
    });
    // Who waited for it hears so.
    expect((await resumed).status).toBe(409);
    const killed = operator("DELETE", "/v1/sandboxes/guest");
    const ask = async () => {
      const { body } = await a.call("POST", "/v1/node/work", { running: [] });
      return body.work.find((one: { work: { kind: string } }) => one.work.kind === "kill");
    };
    const { id } = (await ask()) ?? (await ask());
    expect((await a.call("POST", `/v1/node/work/${id}`, {})).status).toBe(204);
    expect((await killed).status).toBe(204);
    await told;
  });

  test("of two nodes that are deleted at once, the second is counted without the first", async () => {
    const { operator, join } = fleet();
    const twins = [
      await join(profileNamed(CASCADE_LAKE, "twin-a")),
      await join(profileNamed(CASCADE_LAKE, "twin-b")),
    ];
    await hold(twins, "twinned");
    const answers = await Promise.all(
      twins.map(async ({ name }) => await operator("DELETE", `/v1/nodes/${name}`)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204, 409]));
    const refused = answers.find(({ status }) => status === 409);
    expect(refused?.body.error.code).toBe("WOULD_STRAND");
  });

  test("of two nodes that are drained at once, one is told what would stay behind", async () => {
    const { operator, join } = fleet();
    const twins = [
      await join(profileNamed(CASCADE_LAKE, "drain-a")),
      await join(profileNamed(CASCADE_LAKE, "drain-b")),
    ];
    await hold(twins, "drained");
    const { body } = await operator("GET", "/v1/nodes");
    for (const { name } of body.nodes as { name: string }[]) {
      const cordoned = !twins.some((twin) => twin.name === name);
      if (cordoned) await operator("PATCH", `/v1/nodes/${name}`, { cordoned });
    }
    const answers = await Promise.all(
      twins.map(async ({ name }) => await operator("POST", `/v1/nodes/${name}/drain`, {})),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 409]));
  });
});

describe.skipIf(STORES.length === 1)("the picture of the fleet", () => {
  const fleet = useFleet("postgresql");

  test("a reading that fails half-way loses nothing that nodes hold", async () => {
    const { operator, join, databaseUrl } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "holder"));
    const { digest: snapshot } = await hold([node], "held");
    const place = async () => await operator("POST", "/v1/placements", { snapshot });
    expect((await place()).body.nodes[0].holdsFiles).toBe(true);
    const client = await connectTo(databaseUrl ?? "");
    // The node reports another list, and the next reading fails before it has read that.
    const moved = await hold([node], "moved");
    await client.query(`begin; update nodes set snapshots = 'another';
      alter table held_snapshots rename to hidden; commit`);
    expect((await place()).status).toBe(500);
    await client.query("alter table hidden rename to held_snapshots");
    await client.end();
    const asked = { snapshot: moved.digest };
    const { body } = await operator("POST", "/v1/placements", asked);
    expect(body.nodes).toMatchObject([{ name: "holder", holdsFiles: true }]);
  });
});
