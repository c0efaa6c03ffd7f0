/** What nodes call, and what anyone may. */
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import { registerContract } from "../contracts/index-writes.ts";
import { actorText, type Context } from "../context.ts";
import { readContractJson } from "../documents.ts";
import { ServerError } from "../errors.ts";
import { join, renew } from "../nodes/join.ts";
import { heartbeat, reportProfile, reportSnapshots } from "../nodes/report.ts";
import { keepManifests } from "../nodes/manifests.ts";
import { getNode } from "../nodes/view.ts";
import { filesOf, wantedVersion } from "../pools/running.ts";
import type { Queryable } from "../store/store.ts";
import { nodeOf } from "./auth.ts";
import { LIST_LIMIT } from "./limits.ts";
import type { App } from "./server.ts";

/** Bytes: a profile or a contract has some tens of thousands. */
const DOCUMENT_LIMIT = 512 * 1024;

function addOpenRoutes(app: App, context: Context, isStopping: () => boolean): void {
  const { store, authority, picture } = context;
  app.route({
    ...FLEET_ROUTES.health,
    handler: () => ({
      status: isStopping() ? ("stopping" as const) : ("ok" as const),
      store: store.kind,
      schema: store.schema,
    }),
  });
  app.route({ ...FLEET_ROUTES.ca, handler: () => ({ certificate: authority.certificate }) });
  app.route({
    ...FLEET_ROUTES.join,
    bodyLimit: DOCUMENT_LIMIT,
    handler: async ({ body }, reply) => {
      const joined = await join(context, body);
      picture.changed();
      void reply.code(201);
      return joined;
    },
  });
}

/** What verdicts on a node's guests and snapshots are made of. */
function addEvidenceRoutes(app: App, context: Context): void {
  const { store } = context;
  app.route({
    ...FLEET_ROUTES.reportContract,
    bodyLimit: DOCUMENT_LIMIT,
    handler: async (request) => {
      const contract = readContractJson(request.body);
      const registered = await store.db.transaction(
        async (tx) => await registerContract(tx, context.index, nodeOf(request), contract),
      );
      if (!registered.known) context.picture.changed();
      return registered;
    },
  });
  app.route({
    ...FLEET_ROUTES.reportManifests,
    bodyLimit: LIST_LIMIT,
    handler: async (request) => {
      const { manifests } = request.body;
      const by = actorText(nodeOf(request));
      const keep = async (tx: Queryable) => await keepManifests(tx, by, manifests);
      return { digests: await store.db.transaction(keep) };
    },
  });
}

export function addNodeRoutes(app: App, context: Context, isStopping: () => boolean): void {
  const { store } = context;
  addOpenRoutes(app, context, isStopping);
  addEvidenceRoutes(app, context);
  app.route({
    ...FLEET_ROUTES.renew,
    handler: async (request, reply) => {
      const renewed = await renew(context, nodeOf(request).id, request.body.csr);
      void reply.code(201);
      return renewed;
    },
  });
  app.route({
    ...FLEET_ROUTES.heartbeat,
    handler: async (request) => await heartbeat(context, nodeOf(request), request.body),
  });
  app.route({
    ...FLEET_ROUTES.reportProfile,
    bodyLimit: DOCUMENT_LIMIT,
    handler: async (request) => {
      const node = nodeOf(request);
      await reportProfile(context, node, request.body);
      return await getNode(context, store.db, node.name);
    },
  });
  app.route({
    ...FLEET_ROUTES.reportSnapshots,
    bodyLimit: LIST_LIMIT,
    handler: async (request) => await reportSnapshots(context, nodeOf(request), request.body),
  });
  app.route({
    ...FLEET_ROUTES.nodePlan,
    handler: async (request) => {
      const { id, name } = nodeOf(request);
      const { labels } = await getNode(context, store.db, name);
      const { row } = await wantedVersion(store.db, { id, labels });
      if (row !== undefined) return filesOf(row);
      throw new ServerError("NO_SUCH_PLAN", `no plan runs for ${name}`);
    },
  });
}
