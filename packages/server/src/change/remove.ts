/** A node leaves the fleet: nothing is stranded silently, and nothing waits for it any more. */
import type { Actor, Context } from "../context.ts";
import { deleteNode, lockByName } from "../nodes/change.ts";
import type { Fleet } from "../placement/fleet.ts";
import { abandonWork } from "../sandboxes/answers.ts";
import { takeLock } from "../store/locks.ts";
import type { Queryable } from "../store/store.ts";
import { requireStranded } from "./simulate.ts";

/**
 * `index`: of the picture as it was before the transaction. Throws NO_SUCH_NODE, WOULD_STRAND unless
 * the right number is named.
 */
export async function removeNode(
  context: Context,
  tx: Queryable,
  actor: Actor,
  index: Fleet["index"],
  { name, strand }: { readonly name: string; readonly strand: number },
): Promise<void> {
  // Two that leave at once could each be saved by the other.
  await takeLock(tx, "leaving");
  await requireStranded(context, tx, index, { node: name, strand });
  // Only now: what pauses or resumes there holds its sandbox, and waits for the node.
  const { id } = await lockByName(tx, name);
  await abandonWork(tx, { id, name });
  await deleteNode(tx, actor, name);
}
