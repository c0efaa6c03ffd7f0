/** What operators call about pools and their plans. */
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import type { Context } from "../context.ts";
import { approvePlan, computePlan, getPlan, listPlans } from "../pools/plans.ts";
import { createPool, deletePool, getPool, listPools } from "../pools/pools.ts";
import { haltRollout } from "../pools/rollouts.ts";
import { sendChange } from "./idempotent.ts";
import type { App } from "./server.ts";

function addOwnRoutes(app: App, context: Context): void {
  const { db } = context.store;
  app.route({ ...FLEET_ROUTES.listPools, handler: async () => ({ pools: await listPools(db) }) });
  app.route({
    ...FLEET_ROUTES.getPool,
    handler: async ({ params }) => await getPool(db, params.name),
  });
  app.route({
    ...FLEET_ROUTES.createPool,
    handler: async (request, reply) =>
      await sendChange(
        context,
        request,
        reply,
        201,
        async (tx, actor) => await createPool(tx, actor, request.body),
      ),
  });
  app.route({
    ...FLEET_ROUTES.deletePool,
    handler: async (request, reply) =>
      await sendChange(context, request, reply, 204, async (tx, actor) => {
        await deletePool(tx, actor, request.params.name);
        return null;
      }),
  });
}

function addPlanRoutes(app: App, context: Context): void {
  const { db } = context.store;
  app.route({
    ...FLEET_ROUTES.listPlans,
    handler: async ({ params }) => ({ plans: await listPlans(db, params.name) }),
  });
  app.route({
    ...FLEET_ROUTES.getPlan,
    handler: async ({ params }) => await getPlan(db, params.name, params.version),
  });
  app.route({
    ...FLEET_ROUTES.computePlan,
    handler: async (request, reply) =>
      await sendChange(
        context,
        request,
        reply,
        201,
        async (tx, actor) => await computePlan(tx, actor, request.params.name, request.body),
      ),
  });
  app.route({
    ...FLEET_ROUTES.haltRollout,
    handler: async (request, reply) =>
      await sendChange(context, request, reply, 200, async (tx, actor) => {
        await haltRollout(tx, actor, request.params.name);
        return await getPool(tx, request.params.name);
      }),
  });
  app.route({
    ...FLEET_ROUTES.approvePlan,
    handler: async (request, reply) =>
      await sendChange(
        context,
        request,
        reply,
        200,
        async (tx, actor) => await approvePlan(context, tx, actor, request.params, request.body),
      ),
  });
}

export function addPoolRoutes(app: App, context: Context): void {
  addOwnRoutes(app, context);
  addPlanRoutes(app, context);
}
