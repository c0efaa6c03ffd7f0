/** Sandboxes as operators see them. */
import { eq } from "drizzle-orm";
import type { FleetSandbox } from "@evenkeel/api";
import { ServerError } from "../errors.ts";
import { nodes, sandboxes } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

export type SandboxRow = typeof sandboxes.$inferSelect;

export function viewOf({ row, name }: { row: SandboxRow; name: string }): FleetSandbox {
  const { id, state, from, snapshot, contract, memoryMib, labels, error, createdBy } = row;
  const [created, updated] = [row.created.toISOString(), row.updated.toISOString()];
  const facts = { id, node: name, state, from, snapshot, contract, memoryMib };
  return { ...facts, labels, error, created, updated, createdBy };
}

function rowsOf(tx: Queryable) {
  return tx
    .select({ row: sandboxes, name: nodes.name })
    .from(sandboxes)
    .innerJoin(nodes, eq(nodes.id, sandboxes.node));
}

export async function listSandboxes(tx: Queryable): Promise<FleetSandbox[]> {
  return (await rowsOf(tx).orderBy(sandboxes.created, sandboxes.id)).map(viewOf);
}

/** Throws NO_SUCH_SANDBOX. */
export async function getSandbox(tx: Queryable, id: string): Promise<FleetSandbox> {
  const [row] = await rowsOf(tx).where(eq(sandboxes.id, id));
  if (row === undefined) throw new ServerError("NO_SUCH_SANDBOX", `there is no sandbox "${id}"`);
  return viewOf(row);
}

/** The row, which nobody else changes until the transaction ends; throws NO_SUCH_SANDBOX. */
export async function lockSandbox(tx: Queryable, id: string): Promise<SandboxRow> {
  const [row] = await tx.select().from(sandboxes).where(eq(sandboxes.id, id)).for("update");
  if (row === undefined) throw new ServerError("NO_SUCH_SANDBOX", `there is no sandbox "${id}"`);
  return row;
}
