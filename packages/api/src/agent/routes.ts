/** Every call of the agent's API: method, path, and the schemas of what goes in and out. */
import { z } from "zod";
import { Name, SandboxId } from "../names.ts";
import { EgressPolicy } from "./egress.ts";
import { ErrorBody } from "./errors.ts";
import { Health, Profile } from "./node.ts";
import { ResumeRequest, Sandbox, SandboxList, SandboxRequest, TimeoutRequest } from "./sandbox.ts";
import { SnapshotList, SnapshotMetadata, TemplateList, TemplateRequest } from "./snapshot.ts";

const ByName = z.strictObject({ name: Name });
const ById = z.strictObject({ id: SandboxId });
const Nothing = z.null().meta({ description: "Nothing to say." });
const NoQuery = z.strictObject({});
const Contract = z
  .record(z.string(), z.unknown())
  .meta({ id: "Contract", description: "evenkeel/cpu-contract@1" });
const Text = z.string();

/** What may go wrong with any call, and with one that starts or changes something. */
const REFUSALS = { 400: ErrorBody, 401: ErrorBody, 404: ErrorBody, 409: ErrorBody };
const FAILURES = { ...REFUSALS, 500: ErrorBody, 503: ErrorBody, 507: ErrorBody };

export const AGENT_ROUTES = {
  health: {
    method: "GET",
    url: "/v1/health",
    schema: {
      summary: "Whether the agent is healthy. Needs no token.",
      tags: ["node"],
      querystring: NoQuery,
      response: { 200: Health },
    },
  },
  profile: {
    method: "GET",
    url: "/v1/profile",
    schema: {
      summary: "What this node can offer a guest.",
      tags: ["node"],
      querystring: NoQuery,
      response: { 200: Profile, 401: ErrorBody },
    },
  },
  metrics: {
    method: "GET",
    url: "/metrics",
    schema: {
      summary: "Metrics in Prometheus' text format.",
      tags: ["node"],
      querystring: NoQuery,
      response: { 200: Text, 401: ErrorBody },
    },
  },
  events: {
    method: "GET",
    url: "/v1/events",
    schema: {
      summary: "Server-sent events; Last-Event-ID resumes where a client left off.",
      tags: ["node"],
      querystring: NoQuery,
      response: { 200: Text, 401: ErrorBody },
    },
  },
  buildTemplate: {
    method: "POST",
    url: "/v1/templates",
    schema: {
      summary:
        "Boot a machine, wait until it is ready, and snapshot it. Answers when it is finished.",
      tags: ["templates"],
      querystring: NoQuery,
      body: TemplateRequest,
      response: { 201: SnapshotMetadata, ...FAILURES },
    },
  },
  listTemplates: {
    method: "GET",
    url: "/v1/templates",
    schema: {
      summary: "All templates.",
      tags: ["templates"],
      querystring: NoQuery,
      response: { 200: TemplateList, 401: ErrorBody },
    },
  },
  getTemplate: {
    method: "GET",
    url: "/v1/templates/:name",
    schema: {
      summary: "One template.",
      tags: ["templates"],
      querystring: NoQuery,
      params: ByName,
      response: { 200: SnapshotMetadata, ...REFUSALS },
    },
  },
  deleteTemplate: {
    method: "DELETE",
    url: "/v1/templates/:name",
    schema: {
      summary: "Delete a template; sandboxes running from it continue.",
      tags: ["templates"],
      querystring: NoQuery,
      params: ByName,
      response: { 204: Nothing, ...REFUSALS },
    },
  },
  listSnapshots: {
    method: "GET",
    url: "/v1/snapshots",
    schema: {
      summary: "All snapshots: templates and paused sandboxes.",
      tags: ["snapshots"],
      querystring: NoQuery,
      response: { 200: SnapshotList, 401: ErrorBody },
    },
  },
  getSnapshot: {
    method: "GET",
    url: "/v1/snapshots/:name",
    schema: {
      summary: "One snapshot.",
      tags: ["snapshots"],
      querystring: NoQuery,
      params: ByName,
      response: { 200: SnapshotMetadata, ...REFUSALS },
    },
  },
  getContract: {
    method: "GET",
    url: "/v1/snapshots/:name/contract",
    schema: {
      summary: "A snapshot's CPU contract.",
      tags: ["snapshots"],
      querystring: NoQuery,
      params: ByName,
      response: { 200: Contract, ...REFUSALS },
    },
  },
  deleteSnapshot: {
    method: "DELETE",
    url: "/v1/snapshots/:name",
    schema: {
      summary: "Delete a snapshot that no paused sandbox needs.",
      tags: ["snapshots"],
      querystring: NoQuery,
      params: ByName,
      response: { 204: Nothing, ...REFUSALS },
    },
  },
  exportSnapshot: {
    method: "GET",
    url: "/v1/snapshots/:name/export",
    schema: {
      summary: "A snapshot as a tar stream, to be imported on another node.",
      tags: ["snapshots"],
      querystring: NoQuery,
      params: ByName,
      produces: ["application/x-tar"],
      response: { 200: Text, ...REFUSALS },
    },
  },
  importSnapshot: {
    method: "PUT",
    url: "/v1/snapshots/:name",
    schema: {
      summary: "Import a tar stream under this name; it appears complete or not at all.",
      tags: ["snapshots"],
      querystring: NoQuery,
      params: ByName,
      consumes: ["application/x-tar"],
      response: { 201: SnapshotMetadata, ...FAILURES },
    },
  },
  createSandbox: {
    method: "POST",
    url: "/v1/sandboxes",
    schema: {
      summary: "Start a sandbox from a template or snapshot, or boot a machine.",
      tags: ["sandboxes"],
      querystring: NoQuery,
      body: SandboxRequest,
      response: { 201: Sandbox, ...FAILURES },
    },
  },
  listSandboxes: {
    method: "GET",
    url: "/v1/sandboxes",
    schema: {
      summary: "All sandboxes.",
      tags: ["sandboxes"],
      querystring: NoQuery,
      response: { 200: SandboxList, 401: ErrorBody },
    },
  },
  getSandbox: {
    method: "GET",
    url: "/v1/sandboxes/:id",
    schema: {
      summary: "One sandbox.",
      tags: ["sandboxes"],
      querystring: NoQuery,
      params: ById,
      response: { 200: Sandbox, ...REFUSALS },
    },
  },
  pauseSandbox: {
    method: "POST",
    url: "/v1/sandboxes/:id/pause",
    schema: {
      summary: "Snapshot a sandbox and end its microVM.",
      tags: ["sandboxes"],
      querystring: NoQuery,
      params: ById,
      response: { 200: Sandbox, ...FAILURES },
    },
  },
  resumeSandbox: {
    method: "POST",
    url: "/v1/sandboxes/:id/resume",
    schema: {
      summary: "Resume a paused sandbox.",
      tags: ["sandboxes"],
      querystring: NoQuery,
      params: ById,
      body: ResumeRequest,
      response: { 200: Sandbox, ...FAILURES },
    },
  },
  extendSandbox: {
    method: "PUT",
    url: "/v1/sandboxes/:id/timeout",
    schema: {
      summary: "Set a new deadline.",
      tags: ["sandboxes"],
      querystring: NoQuery,
      params: ById,
      body: TimeoutRequest,
      response: { 200: Sandbox, ...REFUSALS },
    },
  },
  setEgress: {
    method: "PUT",
    url: "/v1/sandboxes/:id/egress",
    schema: {
      summary: "Set what the guest can reach, effective immediately.",
      tags: ["sandboxes"],
      querystring: NoQuery,
      params: ById,
      body: EgressPolicy,
      response: { 200: Sandbox, ...FAILURES },
    },
  },
  forwardPort: {
    method: "GET",
    url: "/v1/sandboxes/:id/ports/:port",
    schema: {
      summary: "Connect to a TCP port of the guest, with `Connection: Upgrade` and `Upgrade: tcp`.",
      tags: ["sandboxes"],
      querystring: NoQuery,
      params: z.strictObject({ id: SandboxId, port: z.coerce.number().int().min(1).max(65_535) }),
      response: { 101: Text, ...FAILURES },
    },
  },
  killSandbox: {
    method: "DELETE",
    url: "/v1/sandboxes/:id",
    schema: {
      summary: "End a sandbox and remove its files.",
      tags: ["sandboxes"],
      querystring: NoQuery,
      params: ById,
      response: { 204: Nothing, ...REFUSALS },
    },
  },
} as const;
