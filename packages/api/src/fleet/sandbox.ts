/** Sandboxes of the fleet, and the work that nodes fetch for them. */
import { z } from "zod";
import { Override, SandboxState } from "../agent/sandbox.ts";
import { Labels, Name, SandboxId, Timestamp } from "../names.ts";
import { Digest, NodeId, Selector } from "./names.ts";

const MONTH = 30 * 24 * 3600;
const TimeoutSeconds = z.int().min(1).max(MONTH);

const WHERE = {
  node: Name.optional().meta({ description: "On this node, if it can." }),
  pool: Name.optional(),
  nodeLabels: Selector.default({}),
  timeoutSeconds: TimeoutSeconds.optional(),
  override: Override.optional().meta({
    description: "Go against the verdict, on the node that is named; takes the role override.",
  }),
};

function namesNode({ override, node }: { override?: unknown; node?: unknown }): boolean {
  return override === undefined || node !== undefined;
}
const NAMES_NODE = { error: "goes with a node: name it", path: ["override"] };

export const FleetSandboxRequest = z
  .strictObject({
    from: z.string().min(1).max(64).meta({ description: "A snapshot's name or digest." }),
    ...WHERE,
    onTimeout: z.enum(["kill", "pause"]).default("kill"),
    labels: Labels.default({}),
  })
  .refine(namesNode, NAMES_NODE)
  .meta({ id: "FleetSandboxRequest" });
export type FleetSandboxRequest = z.infer<typeof FleetSandboxRequest>;

export const FleetResumeRequest = z
  .strictObject(WHERE)
  .refine(namesNode, NAMES_NODE)
  .meta({ id: "FleetResumeRequest" });
export type FleetResumeRequest = z.infer<typeof FleetResumeRequest>;

export const FleetSandbox = z
  .object({
    id: SandboxId,
    node: Name,
    state: SandboxState.meta({
      description: "As its node said last; creating and resuming until the node has answered.",
    }),
    from: Digest.nullable().meta({ description: "The snapshot that it came from." }),
    snapshot: Digest.nullable().meta({ description: "What it resumes from, where it is paused." }),
    contract: Digest.nullable(),
    memoryMib: z.int(),
    labels: Labels,
    error: z.string().nullable().meta({ description: "Why the last thing asked was not done." }),
    created: Timestamp,
    updated: Timestamp,
    createdBy: z.string(),
  })
  .meta({ id: "FleetSandbox" });
export type FleetSandbox = z.infer<typeof FleetSandbox>;
export const FleetSandboxList = z.object({ sandboxes: z.array(FleetSandbox) });
export const BySandbox = z.strictObject({ id: SandboxId });

/** A sandbox as its node reports it. */
export const NodeSandbox = z.strictObject({
  id: SandboxId,
  state: SandboxState,
  from: Digest.optional(),
  snapshot: Digest.optional(),
  contract: Digest.optional(),
  memoryMib: z
    .int()
    .min(0)
    .max(2 ** 31),
  labels: Labels,
  created: Timestamp,
});
export type NodeSandbox = z.infer<typeof NodeSandbox>;

const WorkId = z.string().regex(/^w[0-9a-f]{24}$/, { error: "must be w and 24 hex digits" });
export const ByWork = z.strictObject({ id: WorkId });
export const ByPart = z.strictObject({ id: WorkId, part: z.coerce.number().int().min(0) });
export const PartQuery = z.strictObject({ last: z.enum(["true", "false"]).default("false") });

export const WorkRequest = z
  .strictObject({
    running: z.array(WorkId).max(10_000).meta({ description: "What the node is at already." }),
    sandboxes: z
      .array(NodeSandbox)
      .max(20_000)
      .optional()
      .meta({ description: "All sandboxes of the node, where they are others than before." }),
  })
  .meta({ id: "WorkRequest" });

const Create = z.object({
  kind: z.literal("create"),
  sandbox: SandboxId,
  snapshot: Digest,
  name: Name.meta({ description: "What to call the snapshot where it has to be fetched." }),
  transfer: WorkId.nullable().meta({ description: "Where to fetch its files." }),
  timeoutSeconds: TimeoutSeconds.optional(),
  onTimeout: z.enum(["kill", "pause"]),
  labels: Labels,
  override: Override.optional(),
});
const Resume = z.object({
  kind: z.literal("resume"),
  sandbox: SandboxId,
  timeoutSeconds: TimeoutSeconds.optional(),
  override: Override.optional(),
});
const Pause = z.object({ kind: z.literal("pause"), sandbox: SandboxId });
const Kill = z.object({ kind: z.literal("kill"), sandbox: SandboxId });
const Extend = z.object({
  kind: z.literal("extend"),
  sandbox: SandboxId,
  timeoutSeconds: TimeoutSeconds,
});
const Fetch = z.object({
  kind: z.literal("fetch"),
  snapshot: Digest,
  name: Name,
  transfer: WorkId,
});
const Send = z.object({
  kind: z.literal("send"),
  snapshot: Digest,
  to: NodeId.meta({ description: "Who fetches it." }),
});

export const WorkBody = z.discriminatedUnion("kind", [
  Create,
  Resume,
  Pause,
  Kill,
  Extend,
  Fetch,
  Send,
]);
export type WorkBody = z.infer<typeof WorkBody>;
const Work = z.object({ id: WorkId, work: WorkBody }).meta({ id: "NodeWork" });
export type Work = z.infer<typeof Work>;
export const WorkAnswer = z
  .object({
    work: z.array(Work),
    contracts: z
      .array(Digest)
      .default([])
      .meta({ description: "Contracts of listed sandboxes that the server lacks." }),
  })
  .meta({ id: "WorkAnswer" });

export const WorkResult = z
  .strictObject({
    error: z.strictObject({ code: z.string().max(64), message: z.string().max(4000) }).optional(),
    sandbox: NodeSandbox.optional(),
  })
  .meta({ id: "WorkResult", description: "Done, unless it has an error." });
export type WorkResult = z.infer<typeof WorkResult>;
