/** Which node runs a guest, and from where it gets the files; or why none does. */
import { eq } from "drizzle-orm";
import type { Context } from "../context.ts";
import { ServerError } from "../errors.ts";
import { answerOn } from "../placement/answer.ts";
import { layOutFleet, type Fleet, type FleetNode, type Labels } from "../placement/fleet.ts";
import { place } from "../placement/place.ts";
import { heldSnapshots } from "../store/schema.ts";
import type { Reservations } from "./reservations.ts";

export interface Guest {
  readonly contract: string;
  /** By digest. */
  readonly snapshot: string;
  readonly memoryMib: number;
  /** Node that is known to hold the files, whatever it reported. */
  readonly at?: string | undefined;
}

export interface Where {
  /** By name. */
  readonly node?: string | undefined;
  readonly pool?: string | undefined;
  readonly nodeLabels: Labels;
  /** The verdict does not decide. */
  readonly override: boolean;
}

export interface Choice {
  readonly node: FleetNode;
  /** Id of the node that sends the files; undefined where they are there. */
  readonly source: string | undefined;
}

const MOST = 100;

/** The same fleet with one node alone. */
function only(fleet: Fleet, name: string): Fleet {
  const own = fleet.nodes.filter((node) => node.name === name);
  if (own.length === 0) throw new ServerError("NO_SUCH_NODE", `there is no node "${name}"`);
  const { index, strategies } = fleet;
  return layOutFleet({ nodes: own, index, held: [], strategies });
}

/** Ids of the nodes that hold a snapshot's files. */
async function holdersOf({ store }: Context, { snapshot, at }: Guest): Promise<Set<string>> {
  const rows = await store.db
    .select({ node: heldSnapshots.node })
    .from(heldSnapshots)
    .where(eq(heldSnapshots.digest, snapshot));
  return new Set([...(at === undefined ? [] : [at]), ...rows.map(({ node }) => node)]);
}

/** In the words of `POST /v1/placements`: filters with counts, features, ways out. */
async function refusal(
  { store }: Context,
  fleet: Fleet,
  { contract, memoryMib }: Guest,
  where: Where,
): Promise<ServerError> {
  const { pool, nodeLabels: labels } = where;
  const question = { contract, snapshot: undefined, memoryMib, labels, pool, limit: 1 };
  const answer = await answerOn(store.db, fleet, question);
  const { considered, filters, obstacles, waysOut } = answer;
  const problems = [
    ...filters.map(({ filter, nodes }) => ({ path: filter, message: `${nodes} nodes` })),
    ...obstacles.map(({ verdict, name, address, nodes }) => ({
      path: name,
      message: `${verdict} on ${nodes} nodes${address === "" ? "" : ` (${address})`}`,
    })),
    ...waysOut.map((way) => ({ path: "way out", message: way })),
  ];
  const taken = filters.map(({ filter, nodes }) => `${filter} ${nodes}`).join(", ");
  const features = obstacles.slice(0, 4).map(({ name }) => name);
  const who = where.node ?? `none of ${considered} nodes`;
  const message =
    `${who} can${where.node === undefined ? "" : "not"} run it` +
    (taken === "" ? "" : `; filtered: ${taken}`) +
    (features.length === 0 ? "" : `; it needs ${features.join(", ")}`) +
    waysOut.map((way) => `; way out: ${way}`).join("");
  return new ServerError("NO_NODE", message, { problems });
}

function candidates(asked: Fleet, guest: Guest, where: Where): FleetNode[] {
  const { contract, snapshot, memoryMib } = guest;
  if (where.override) return asked.nodes.filter(({ state }) => state !== "lost");
  const { pool, nodeLabels: labels } = where;
  const answer = place(asked, { contract, snapshot, memoryMib, labels, pool, limit: MOST });
  return answer.nodes.flatMap((i) => asked.nodes[i] ?? []);
}

/**
 * The best node that is not excluded. Throws NO_NODE with everything that stands against it, NO_FILES,
 * NO_SUCH_NODE.
 */
export async function choose(
  context: Context,
  reservations: Reservations,
  guest: Guest,
  where: Where,
  excluded: ReadonlySet<string> = new Set(),
): Promise<Choice> {
  const fleet = await context.picture.now();
  const holders = await holdersOf(context, guest);
  const asked = where.node === undefined ? fleet : only(fleet, where.node);
  const able = candidates(asked, guest, where).filter(
    (node) => !excluded.has(node.id) && (where.override || reservations.fits(node, guest)),
  );
  const node = able.find(({ id }) => holders.has(id)) ?? able[0];
  if (node === undefined) throw await refusal(context, asked, guest, where);
  if (holders.has(node.id)) return { node, source: undefined };
  const source = fleet.nodes.find(({ id, state }) => holders.has(id) && state !== "lost");
  if (source !== undefined) return { node, source: source.id };
  const message = `no node that is there holds snapshot ${guest.snapshot}`;
  throw new ServerError("NO_FILES", message);
}
