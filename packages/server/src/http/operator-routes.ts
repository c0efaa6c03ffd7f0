/** What operators call about nodes, tokens, contracts and placement. */
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import { listAudit } from "../audit.ts";
import { registerContract } from "../contracts/index-writes.ts";
import { removeNode } from "../change/remove.ts";
import { getContract, listContracts, listSnapshots } from "../contracts/view.ts";
import type { Context } from "../context.ts";
import { readContractJson } from "../documents.ts";
import { releaseNode, updateNode } from "../nodes/change.ts";
import { getNode, historyOf, listClasses, listNodes } from "../nodes/view.ts";
import { answerPlacement } from "../placement/answer.ts";
import { createJoinToken, createToken, deleteToken, listTokens } from "../tokens.ts";
import { sendChange, sendSecret } from "./idempotent.ts";
import type { App } from "./server.ts";

function addTokenRoutes(app: App, context: Context): void {
  const { db } = context.store;
  app.route({
    ...FLEET_ROUTES.createJoinToken,
    handler: async (request, reply) =>
      await sendSecret(
        context,
        request,
        reply,
        async (tx, actor) => await createJoinToken(context, tx, actor, request.body),
      ),
  });
  app.route({
    ...FLEET_ROUTES.listTokens,
    handler: async () => ({ tokens: await listTokens(db) }),
  });
  app.route({
    ...FLEET_ROUTES.createToken,
    handler: async (request, reply) =>
      await sendSecret(
        context,
        request,
        reply,
        async (tx, actor) => await createToken(tx, actor, request.body),
      ),
  });
  app.route({
    ...FLEET_ROUTES.deleteToken,
    handler: async (request, reply) =>
      await sendChange(context, request, reply, 204, async (tx, actor) => {
        await deleteToken(tx, actor, request.params.name);
        return null;
      }),
  });
}

function addFleetNodeRoutes(app: App, context: Context): void {
  const { db } = context.store;
  app.route({
    ...FLEET_ROUTES.listNodes,
    handler: async () => ({ nodes: await listNodes(context, db) }),
  });
  app.route({
    ...FLEET_ROUTES.getNode,
    handler: async ({ params }) => await getNode(context, db, params.name),
  });
  app.route({
    ...FLEET_ROUTES.nodeHistory,
    handler: async ({ params }) => ({ history: await historyOf(context, db, params.name) }),
  });
  app.route({
    ...FLEET_ROUTES.updateNode,
    handler: async (request, reply) =>
      await sendChange(context, request, reply, 200, async (tx, actor) => {
        await updateNode(tx, actor, request.params.name, request.body);
        return await getNode(context, tx, request.params.name);
      }),
  });
  app.route({
    ...FLEET_ROUTES.releaseNode,
    handler: async (request, reply) =>
      await sendChange(context, request, reply, 200, async (tx, actor) => {
        await releaseNode(tx, actor, request.params.name, request.body.profile);
        return await getNode(context, tx, request.params.name);
      }),
  });
  app.route({
    ...FLEET_ROUTES.deleteNode,
    handler: async (request, reply) => {
      const { index } = await context.picture.now();
      return await sendChange(context, request, reply, 204, async (tx, actor) => {
        const { name } = request.params;
        const { strand } = request.query;
        await removeNode(context, tx, actor, index, { name, strand });
        return null;
      });
    },
  });
  app.route({ ...FLEET_ROUTES.listClasses, handler: async () => await listClasses(db) });
}

/** Bytes: a contract has some tens of thousands. */
const DOCUMENT_LIMIT = 512 * 1024;

function addContractRoutes(app: App, context: Context): void {
  const { db } = context.store;
  app.route({
    ...FLEET_ROUTES.putContract,
    bodyLimit: DOCUMENT_LIMIT,
    handler: async (request, reply) => {
      const contract = readContractJson(request.body);
      return await sendChange(
        context,
        request,
        reply,
        200,
        async (tx, actor) => await registerContract(tx, context.index, actor, contract),
      );
    },
  });
  app.route({
    ...FLEET_ROUTES.listContracts,
    handler: async () => ({ contracts: await listContracts(db) }),
  });
  app.route({
    ...FLEET_ROUTES.getContract,
    handler: async ({ params }) => await getContract(db, params.digest),
  });
  app.route({
    ...FLEET_ROUTES.listSnapshots,
    handler: async ({ query }) => ({ snapshots: await listSnapshots(db, query) }),
  });
  app.route({
    ...FLEET_ROUTES.place,
    handler: async ({ body }) => await answerPlacement(context, body),
  });
  app.route({
    ...FLEET_ROUTES.listAudit,
    handler: async ({ query }) => ({
      entries: await listAudit(context, query.limit, query.before),
    }),
  });
}

export function addOperatorRoutes(app: App, context: Context): void {
  addTokenRoutes(app, context);
  addFleetNodeRoutes(app, context);
  addContractRoutes(app, context);
}
