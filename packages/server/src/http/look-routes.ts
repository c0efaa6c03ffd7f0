/** What pictures of the fleet are made of. */
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import type { Context } from "../context.ts";
import { compatibilityOf } from "../web/compatibility.ts";
import { driftsOf } from "../web/drifts.ts";
import { overviewOf } from "../web/overview.ts";
import { rolloutOf } from "../web/rollout.ts";
import { snapshotDetail } from "../web/snapshot.ts";
import { openTrees } from "../web/tree.ts";
import type { App } from "./server.ts";

export type Trees = ReturnType<typeof openTrees>;

export function addLookRoutes(app: App, context: Context, trees: Trees): void {
  const { db } = context.store;
  app.route({ ...FLEET_ROUTES.overview, handler: async () => await overviewOf(context) });
  app.route({ ...FLEET_ROUTES.compatibility, handler: async () => await compatibilityOf(context) });
  app.route({
    ...FLEET_ROUTES.mergeTree,
    handler: async ({ params }) => await trees(db, params.name),
  });
  app.route({
    ...FLEET_ROUTES.getRollout,
    handler: async ({ params }) => await rolloutOf(context, params.name),
  });
  app.route({ ...FLEET_ROUTES.drifts, handler: async () => await driftsOf(context) });
  app.route({
    ...FLEET_ROUTES.getSnapshot,
    handler: async ({ params }) => await snapshotDetail(context, params.digest),
  });
}
