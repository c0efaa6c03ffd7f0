/** The fleet as a simulation takes it: from the store, with the verdicts that are known. */
import { eq } from "drizzle-orm";
import type { CpuContract, NodeProfile, SimulatedFleet, SimulatedNode } from "@evenkeel/core";
import type { Context } from "../context.ts";
import { acceptingPlans } from "../contracts/index-writes.ts";
import { storedContract, storedProfile } from "../documents.ts";
import { heldOf, SILENT, stateAfter } from "../nodes/view.ts";
import type { Fleet, Labels } from "../placement/fleet.ts";
import { contracts, heldSnapshots, nodes, profiles } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

export interface LoadedFleet extends SimulatedFleet {
  readonly labels: ReadonlyMap<string, Labels>;
  /** Names by digest. */
  readonly names: ReadonlyMap<string, string>;
  readonly index: Fleet["index"];
}

/** Equal profiles are one object, read once; each node has its own name. */
async function loadNodes(tx: Queryable, { times }: Context) {
  const rows = await tx
    .select({ node: nodes, silent: SILENT, text: profiles.profile })
    .from(nodes)
    .innerJoin(profiles, eq(profiles.digest, nodes.profile))
    .orderBy(nodes.name);
  const read = new Map<string, NodeProfile>();
  const labels = new Map<string, Labels>();
  const loaded = rows.map(({ node, silent, text }): SimulatedNode => {
    const profile = read.get(node.profile) ?? storedProfile(text);
    read.set(node.profile, profile);
    labels.set(node.name, node.labels);
    const { maxSandboxes, maxMemoryMib } = node.capacity;
    const isLost = stateAfter(silent, times) === "lost";
    return {
      profile: { ...profile, name: node.name },
      room: { sandboxes: maxSandboxes, memoryMib: maxMemoryMib },
      closed: isLost || node.cordoned || heldOf(node) !== null,
      plan: node.planDigest ?? undefined,
    };
  });
  return { loaded, labels };
}

async function loadSnapshots(tx: Queryable) {
  const rows = await tx
    .select({
      id: heldSnapshots.digest,
      name: heldSnapshots.name,
      contract: heldSnapshots.contract,
      holder: nodes.name,
    })
    .from(heldSnapshots)
    .innerJoin(nodes, eq(nodes.id, heldSnapshots.node))
    .orderBy(heldSnapshots.digest);
  const names = new Map<string, string>();
  // A snapshot's digest is its manifest's, which names the contract: nodes cannot disagree on it.
  const found = new Map<string, { id: string; contract: string; holders: string[] }>();
  for (const { id, name, contract, holder } of rows) {
    names.set(id, name);
    const one = found.get(id) ?? { id, contract, holders: [] };
    one.holders.push(holder);
    found.set(id, one);
  }
  return { names, snapshots: [...found.values()] };
}

async function loadContracts(tx: Queryable) {
  const rows = await tx
    .select({
      digest: contracts.digest,
      text: contracts.contract,
      reportedBy: contracts.reportedBy,
    })
    .from(contracts)
    .orderBy(contracts.digest);
  const read = new Map<string, CpuContract>(
    rows.map(({ digest, text }) => [digest, storedContract(text)]),
  );
  return { read, elsewhere: rows.filter(({ reportedBy }) => !reportedBy.startsWith("node:")) };
}

/** `index`: of the picture, which a transaction must not wait for: PGlite has one session. */
export async function loadFleet(
  context: Context,
  tx: Queryable,
  index: Fleet["index"],
): Promise<LoadedFleet> {
  const { loaded, labels } = await loadNodes(tx, context);
  const { names, snapshots } = await loadSnapshots(tx);
  const { read, elsewhere } = await loadContracts(tx);
  const seen = new Set(snapshots.map(({ contract }) => contract));
  // What an operator registered is of a snapshot that no agent holds: one at least, for each.
  const others = elsewhere.flatMap(({ digest }) => {
    if (seen.has(digest)) return [];
    names.set(digest, `contract-${digest.slice(0, 12)}`);
    return [{ id: digest, contract: digest }];
  });
  return {
    nodes: loaded,
    contracts: read,
    snapshots: [...snapshots, ...others],
    plans: await acceptingPlans(tx),
    labels,
    names,
    index,
  };
}
