/** `GET /v1/drifts`: changes of nodes by class; the same change of several nodes is one. */
import { groupBy } from "@evenkeel/core";
import { desc, eq, isNotNull, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { Drifts } from "@evenkeel/api";
import type { Context } from "../context.ts";
import { nodeHistory, nodes, profiles } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";

/** Changes of single nodes that are looked at, the newest. */
const MOST_CHANGES = 2000;
const NAMES = 6;

const past = alias(profiles, "past") as unknown as typeof profiles;

/** A profile's own text is long, and nothing here reads it. */
function shownOf({ variant, class: name, kernel, microcode, bios, firecracker }: typeof profiles) {
  return { variant, class: name, kernel, microcode, bios, firecracker };
}

async function changesOf(tx: Queryable) {
  const recent = tx
    .select()
    .from(nodeHistory)
    .where(isNotNull(nodeHistory.drift))
    .orderBy(desc(nodeHistory.id))
    .limit(MOST_CHANGES + 1)
    .as("recent");
  return await tx
    .select({
      node: nodes.name,
      time: recent.time,
      drift: recent.drift,
      reasons: recent.reasons,
      before: shownOf(past),
      after: shownOf(profiles),
    })
    .from(recent)
    .innerJoin(nodes, eq(nodes.id, recent.node))
    .innerJoin(profiles, eq(profiles.digest, recent.profile))
    .innerJoin(
      past,
      sql`${past.digest} = (select b.profile from node_history b
        where b.node = ${recent.node} and b.id < ${recent.id} order by b.id desc limit 1)`,
    )
    .orderBy(desc(recent.id));
}

type Change = Awaited<ReturnType<typeof changesOf>>[number];

function factsOf({ kernel, microcode, bios, firecracker }: Change["after"]) {
  return { kernel, microcode, bios, firecracker: [...firecracker] };
}

function keyOf({ before, after, drift, reasons }: Change): string {
  const facts = [before, after].map((profile) => [profile.variant, factsOf(profile)]);
  return JSON.stringify([before.class, after.class, drift, reasons, facts]);
}

export async function driftsOf({ store, picture }: Context): Promise<Drifts> {
  const all = await changesOf(store.db);
  const { index } = await picture.now();
  const groups = groupBy(all.slice(0, MOST_CHANGES), keyOf);
  const changes = [...groups.values()].flatMap((own) => {
    const [newest, oldest] = [own[0], own.at(-1)];
    if (newest === undefined || oldest === undefined) return [];
    const { before, after, drift, reasons } = newest;
    const names = [...new Set(own.map(({ node }) => node))];
    return [
      {
        class: before.class,
        to: after.class,
        first: oldest.time.toISOString(),
        last: newest.time.toISOString(),
        drift,
        reasons: [...reasons],
        nodes: { count: names.length, names: names.slice(0, NAMES) },
        before: factsOf(before),
        after: factsOf(after),
        served: { before: index.served(before.variant), after: index.served(after.variant) },
      },
    ];
  });
  return { changes, more: all.length > MOST_CHANGES };
}
