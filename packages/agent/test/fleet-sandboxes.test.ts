/** What a node tells its server about its sandboxes, so that the server can say where they could go. */
import {
  contractDigest,
  inheritContract,
  judge,
  predictContract,
  type CpuContract,
} from "@evenkeel/core";
import { expect, test } from "vitest";
import type { Context } from "../src/sandboxes/context.ts";
import { sandboxesHeld, sendPromises } from "../src/fleet/sandboxes.ts";
import { ICE_LAKE, loadProfile } from "./fixtures.ts";

const HERE = { ...loadProfile(ICE_LAKE), firecracker: ["1.14.1"] };

function guestOf(release: string): CpuContract {
  const made = predictContract(
    { ...HERE, firecracker: [release] },
    { firecracker: release, vcpus: 1, smt: false },
  );
  if (!made.ok) throw new Error(made.missing.join());
  return made.contract;
}

/** A node with one guest that came with a contract, and runs on a release. */
function nodeWith(contract: CpuContract, release: string, state = "running"): Context {
  const record = {
    id: "guest",
    state,
    memoryMib: 128,
    labels: {},
    created: "2026-01-01T00:00:00.000Z",
    from: "base",
    contract: contractDigest(contract),
    vm: { release },
  };
  return {
    profile: HERE,
    sandboxes: { list: () => [{ record, contract }] },
    snapshots: { find: () => undefined, digestOf: contractDigest },
  } as unknown as Context;
}

test("a running guest is promised what its snapshot would be, not what it came with", async () => {
  const came = guestOf("1.10.1");
  const context = nodeWith(came, "1.14.1");
  const [held] = sandboxesHeld(context);
  const paused = inheritContract(came, HERE, { firecracker: "1.14.1" });
  expect(held?.contract).toBe(contractDigest(paused));
  // A node of the older release could resume what came, and not what would be left.
  const older = { ...HERE, name: "older", firecracker: ["1.10.1"] };
  expect(judge(came, older).verdict).toBe("compatible");
  expect(judge(paused, older).verdict).not.toBe("compatible");
  // Paused, its snapshot says so itself.
  expect(sandboxesHeld(nodeWith(came, "1.14.1", "paused"))[0]?.contract).toBe(contractDigest(came));
});

test("the server is sent the contracts that it lacks, and no others", async () => {
  const context = nodeWith(guestOf("1.14.1"), "1.14.1");
  const sent: unknown[] = [];
  const client = {
    call: async (_: string, path: string, body: unknown) => sent.push([path, body]),
    close: () => {},
  };
  await sendPromises(context, client, ["0".repeat(64)]);
  expect(sent).toEqual([]);
  const digest = sandboxesHeld(context)[0]?.contract ?? "";
  await sendPromises(context, client, [digest, "0".repeat(64)]);
  expect(sent).toMatchObject([["/v1/node/contracts", { schema: expect.any(String) }]]);
});
