/** What operators call about changes of the fleet. */
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import { drain } from "../change/drain.ts";
import { simulate } from "../change/simulate.ts";
import type { Desk } from "../sandboxes/desk.ts";
import { actorOf } from "./auth.ts";
import { LIST_LIMIT } from "./limits.ts";
import type { App } from "./server.ts";

export function addChangeRoutes(app: App, desk: Desk): void {
  app.route({
    ...FLEET_ROUTES.simulate,
    bodyLimit: LIST_LIMIT,
    handler: async ({ body }) => await simulate(desk.context, body),
  });
  app.route({
    ...FLEET_ROUTES.drainNode,
    handler: async (request) => {
      const { body, params } = request;
      return await drain(desk, actorOf(request), params.name, body);
    },
  });
}
