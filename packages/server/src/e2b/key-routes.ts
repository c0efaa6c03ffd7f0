/** What operators call about teams' keys. */
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import type { Context } from "../context.ts";
import { sendChange, sendSecret } from "../http/idempotent.ts";
import type { App } from "../http/server.ts";
import { createKey, deleteKey, listKeys } from "./keys.ts";

export function addE2bKeyRoutes(app: App, context: Context): void {
  app.route({
    ...FLEET_ROUTES.listE2bKeys,
    handler: async () => ({ keys: await listKeys(context.store.db) }),
  });
  app.route({
    ...FLEET_ROUTES.createE2bKey,
    handler: async (request, reply) =>
      await sendSecret(
        context,
        request,
        reply,
        async (tx, actor) => await createKey(tx, actor, request.body),
      ),
  });
  app.route({
    ...FLEET_ROUTES.deleteE2bKey,
    handler: async (request, reply) =>
      await sendChange(context, request, reply, 204, async (tx, actor) => {
        await deleteKey(tx, actor, request.params);
        return null;
      }),
  });
}
