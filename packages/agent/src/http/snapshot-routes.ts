/** Calls about templates and snapshots. */
import type { Readable } from "node:stream";
import { AGENT_ROUTES } from "@evenkeel/api";
import { contractToJson } from "@evenkeel/core";
import type { Context } from "../sandboxes/context.ts";
import { AgentError } from "../errors.ts";
import { exportSnapshot } from "../store/export.ts";
import { importSnapshot } from "../store/import.ts";
import type { Snapshot } from "../store/snapshot-files.ts";
import { buildTemplate } from "../templates/build.ts";
import type { App } from "./app.ts";
import { timed } from "./timed.ts";

function isTemplate({ metadata }: Snapshot): boolean {
  return metadata.kind === "template";
}

function requireTemplate({ snapshots }: Context, name: string): Snapshot {
  const found = snapshots.find(name);
  if (found !== undefined && isTemplate(found)) return found;
  throw new AgentError("NO_SUCH_SNAPSHOT", `no template named "${name}"`);
}

async function remove({ snapshots, sandboxes, events }: Context, name: string): Promise<void> {
  const user = sandboxes.list().find(({ record }) => record.snapshot === name);
  if (user !== undefined) {
    throw new AgentError("IN_USE", `sandbox "${user.record.id}" resumes from "${name}"`);
  }
  await snapshots.remove(name);
  events.emit("snapshot.deleted", name);
}

function addTemplateRoutes(app: App, context: Context): void {
  const { snapshots, metrics } = context;
  app.route({
    ...AGENT_ROUTES.buildTemplate,
    handler: async ({ body }, reply) => {
      const built = await timed(metrics, "build", () => buildTemplate(context, body));
      return reply.code(201).send(built);
    },
  });
  app.route({
    ...AGENT_ROUTES.listTemplates,
    handler: () => ({
      templates: snapshots
        .list()
        .filter(isTemplate)
        .map(({ metadata }) => metadata),
    }),
  });
  app.route({
    ...AGENT_ROUTES.getTemplate,
    handler: ({ params }) => requireTemplate(context, params.name).metadata,
  });
  app.route({
    ...AGENT_ROUTES.deleteTemplate,
    handler: async ({ params }, reply) => {
      await remove(context, requireTemplate(context, params.name).metadata.name);
      return reply.code(204).send(null);
    },
  });
}

function addTransferRoutes(app: App, context: Context): void {
  const { snapshots, metrics, events, room } = context;
  app.route({
    ...AGENT_ROUTES.exportSnapshot,
    handler: async ({ params }, reply) => {
      const { bytes, stream } = await exportSnapshot(snapshots, params.name);
      reply.header("content-length", bytes).type("application/x-tar");
      // The type provider knows of bodies that are data; Fastify pipes a stream.
      return reply.send(stream as unknown as string);
    },
  });
  app.route({
    ...AGENT_ROUTES.importSnapshot,
    handler: async ({ params, headers, body }, reply) => {
      if (headers["content-type"] !== "application/x-tar") {
        throw new AgentError("WRONG_MEDIA_TYPE", "an import must be application/x-tar");
      }
      const imported = await timed(metrics, "import", () =>
        importSnapshot(snapshots, params.name, body as Readable, room),
      );
      events.emit("snapshot.imported", params.name, { from: imported.node });
      return reply.code(201).send(imported);
    },
  });
}

export function addSnapshotRoutes(app: App, context: Context): void {
  const { snapshots } = context;
  addTemplateRoutes(app, context);
  addTransferRoutes(app, context);
  app.route({
    ...AGENT_ROUTES.listSnapshots,
    handler: () => ({ snapshots: snapshots.list().map(({ metadata }) => metadata) }),
  });
  app.route({
    ...AGENT_ROUTES.getSnapshot,
    handler: ({ params }) => snapshots.get(params.name).metadata,
  });
  app.route({
    ...AGENT_ROUTES.getContract,
    handler: ({ params }) => ({ ...contractToJson(snapshots.get(params.name).contract) }),
  });
  app.route({
    ...AGENT_ROUTES.deleteSnapshot,
    handler: async ({ params }, reply) => {
      await remove(context, params.name);
      return reply.code(204).send(null);
    },
  });
}
