/** `GET /v1/pools/:name/tree`: what it costs a pool to keep its classes together. */
import { eq } from "drizzle-orm";
import type { MergeTreeView } from "@evenkeel/api";
import { CoreError, mergeTree, type NodeProfile } from "@evenkeel/core";
import { storedProfile } from "../documents.ts";
import { matches } from "../placement/fleet.ts";
import { requirePool } from "../pools/pools.ts";
import { nodes, profiles } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

/** Pools whose trees are kept: a tree of thirty classes takes a second, and changes rarely. */
const KEPT = 32;

/** Equal nodes are one profile, read once; each has its own name. */
function readMembers(
  rows: readonly { readonly name: string; readonly digest: string }[],
  texts: ReadonlyMap<string, string>,
): NodeProfile[] {
  const read = new Map<string, NodeProfile>();
  return rows.map(({ name, digest }) => {
    const profile = read.get(digest) ?? storedProfile(texts.get(digest) ?? "");
    read.set(digest, profile);
    return { ...profile, name };
  });
}

function treeOf(members: readonly NodeProfile[]): MergeTreeView {
  try {
    const made = mergeTree(members);
    if ("ok" in made) {
      const refused = made.refusals.map(({ message, hint }) => `${message}. ${hint}`);
      return { classes: [], tree: [], refused };
    }
    const tree = made.tree.map(({ left, right, leftLoses, rightLoses, cost, worstLoss }) => ({
      left: [...left],
      right: [...right],
      leftLoses: [...leftLoses],
      rightLoses: [...rightLoses],
      cost,
      worstLoss,
    }));
    return { classes: [...made.classes], tree, refused: [] };
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    return { classes: [], tree: [], refused: [error.message] };
  }
}

/** Keeps the trees of the pools that were asked for last, while their nodes are the same. */
export function openTrees(): (tx: Queryable, pool: string) => Promise<MergeTreeView> {
  const known = new Map<string, { readonly key: string; readonly view: MergeTreeView }>();
  return async (tx, pool) => {
    const { selector } = await requirePool(tx, pool);
    const rows = (
      await tx
        .select({ name: nodes.name, digest: nodes.profile, labels: nodes.labels })
        .from(nodes)
        .orderBy(nodes.name)
    ).filter(({ labels }) => matches(selector, labels));
    const counts = new Map<string, number>();
    for (const { digest } of rows) counts.set(digest, (counts.get(digest) ?? 0) + 1);
    const key = JSON.stringify([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
    const last = known.get(pool);
    if (last?.key === key) return last.view;
    const found = await tx
      .selectDistinct({ digest: profiles.digest, text: profiles.profile })
      .from(profiles)
      .innerJoin(nodes, eq(nodes.profile, profiles.digest));
    const texts = new Map(found.map(({ digest, text }) => [digest, text]));
    // Another request may have made it in the meantime.
    const again = known.get(pool);
    if (again?.key === key) return again.view;
    const view =
      rows.length === 0
        ? { classes: [], tree: [], refused: ["The pool has no nodes."] }
        : treeOf(readMembers(rows, texts));
    known.delete(pool);
    known.set(pool, { key, view });
    const [oldest] = known.keys();
    if (known.size > KEPT && oldest !== undefined) known.delete(oldest);
    return view;
  };
}
