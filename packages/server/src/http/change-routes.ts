/** What operators call about changes of the fleet. */
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import { simulate } from "../change/simulate.ts";
import type { Context } from "../context.ts";
import type { App } from "./server.ts";

export function addChangeRoutes(app: App, context: Context): void {
  app.route({
    ...FLEET_ROUTES.simulate,
    handler: async ({ body }) => await simulate(context, body),
  });
}
