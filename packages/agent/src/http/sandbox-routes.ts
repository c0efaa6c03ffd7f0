/** Calls about sandboxes. */
import { AGENT_ROUTES } from "@evenkeel/api";
import type { Context } from "../sandboxes/context.ts";
import { createSandbox } from "../sandboxes/create.ts";
import { setSandboxEgress } from "../sandboxes/egress.ts";
import { extendSandbox, killSandbox } from "../sandboxes/end.ts";
import { pauseSandbox, resumeSandbox } from "../sandboxes/pause.ts";
import { viewOf } from "../sandboxes/record.ts";
import type { App } from "./app.ts";
import { timed } from "./timed.ts";

export function addSandboxRoutes(app: App, context: Context): void {
  const { sandboxes, metrics } = context;
  app.route({
    ...AGENT_ROUTES.createSandbox,
    handler: async ({ body }, reply) => {
      const created = await timed(metrics, "create", () => createSandbox(context, body));
      return reply.code(201).send(created);
    },
  });
  app.route({
    ...AGENT_ROUTES.listSandboxes,
    handler: () => ({ sandboxes: sandboxes.list().map(({ record }) => viewOf(record)) }),
  });
  app.route({
    ...AGENT_ROUTES.getSandbox,
    handler: ({ params }) => viewOf(sandboxes.get(params.id).record),
  });
  app.route({
    ...AGENT_ROUTES.pauseSandbox,
    handler: ({ params }) => timed(metrics, "pause", () => pauseSandbox(context, params.id)),
  });
  app.route({
    ...AGENT_ROUTES.resumeSandbox,
    handler: ({ params, body }) =>
      timed(metrics, "resume", () => resumeSandbox(context, params.id, body)),
  });
  app.route({
    ...AGENT_ROUTES.extendSandbox,
    handler: ({ params, body }) => extendSandbox(context, params.id, body.timeoutSeconds),
  });
  app.route({
    ...AGENT_ROUTES.setEgress,
    handler: ({ params, body }) => setSandboxEgress(context, params.id, body),
  });
  app.route({
    ...AGENT_ROUTES.killSandbox,
    handler: async ({ params }, reply) => {
      await timed(metrics, "kill", () => killSandbox(context, params.id));
      return reply.code(204).send(null);
    },
  });
}
