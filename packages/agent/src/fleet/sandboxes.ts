/** What a node tells its server about its sandboxes. */
import {
  contractToJson,
  inheritContract,
  type CpuContract,
  type NodeProfile,
} from "@evenkeel/core";
import type { NodeSandbox } from "@evenkeel/api";
import type { Context } from "../sandboxes/context.ts";
import type { Entry } from "../sandboxes/registry.ts";
import type { FleetClient } from "./client.ts";

interface Promised {
  readonly profile: NodeProfile;
  readonly release: string;
  readonly contract: CpuContract;
}

/** By the contract that the guest came with: many guests have the same, and are asked for often. */
const promises = new WeakMap<CpuContract, Promised>();

/**
 * What a running guest's snapshot would promise if it were taken now: of another kernel, another
 * Firecracker and another clock than the one it came from, and so resumed by other nodes.
 */
function promiseOf({ profile }: Context, { record, contract }: Entry): CpuContract | undefined {
  if (contract === undefined) return undefined;
  const release = record.vm?.release ?? contract.firecracker;
  const known = promises.get(contract);
  if (known?.profile === profile && known.release === release) return known.contract;
  const promised = inheritContract(contract, profile, { firecracker: release });
  promises.set(contract, { profile, release, contract: promised });
  return promised;
}

function contractOf(context: Context, entry: Entry): string | undefined {
  const { snapshots } = context;
  const { state, snapshot, contract } = entry.record;
  if (state === "paused") return snapshots.find(snapshot ?? "")?.metadata.contract ?? contract;
  const promised = promiseOf(context, entry);
  return promised === undefined ? contract : snapshots.digestOf(promised);
}

/** The node's sandboxes, as the server keeps them. */
export function sandboxesHeld(context: Context): NodeSandbox[] {
  const { sandboxes, snapshots } = context;
  const digestOf = (name: string | undefined) =>
    name === undefined ? undefined : snapshots.find(name)?.metadata.digest;
  return sandboxes
    .list()
    .map((entry): NodeSandbox => {
      const { id, state, memoryMib, labels, created, ...record } = entry.record;
      const [from, snapshot] = [digestOf(record.from), digestOf(record.snapshot)];
      const contract = contractOf(context, entry);
      return {
        id,
        state,
        memoryMib,
        labels,
        created,
        ...(from === undefined ? {} : { from }),
        ...(snapshot === undefined ? {} : { snapshot }),
        ...(contract === undefined ? {} : { contract }),
      };
    })
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Sends contracts of running guests that the server lacks. */
export async function sendPromises(
  context: Context,
  client: FleetClient,
  lacking: readonly string[],
): Promise<void> {
  if (lacking.length === 0) return;
  const { sandboxes, snapshots } = context;
  const wanted = new Set(lacking);
  for (const entry of sandboxes.list()) {
    const contract = promiseOf(context, entry);
    if (contract === undefined || !wanted.delete(snapshots.digestOf(contract))) continue;
    await client.call("PUT", "/v1/node/contracts", contractToJson(contract));
  }
}
