/** What nodes tell the server, and how it shows them. */
import { z } from "zod";
import { Labels, Name, Timestamp } from "../names.ts";
import { Digest, Document, LARGEST_INTEGER, NodeId } from "./names.ts";

/** What all guests together may have, and what they have. */
export const Capacity = z.strictObject({
  sandboxes: z.int().min(0).max(1_000_000),
  maxSandboxes: z.int().min(0).max(1_000_000),
  memoryMib: z.int().min(0).max(LARGEST_INTEGER),
  maxMemoryMib: z.int().min(0).max(LARGEST_INTEGER),
});
export type Capacity = z.infer<typeof Capacity>;

export const PlanReference = z.strictObject({
  pool: Name,
  version: z.int().min(1).max(LARGEST_INTEGER),
  digest: Digest,
});
export type PlanReference = z.infer<typeof PlanReference>;

export const Unplanned = z.enum(["refuse", "allow"]).meta({
  description:
    "Cold boots on a node that has not applied the pool's plan: refused, or by the host's own CPU.",
});
const PoolMembership = z.object({ name: Name, unplanned: Unplanned });

export const Heartbeat = z
  .strictObject({
    profile: Digest.meta({ description: "Of the profile as it holds now." }),
    snapshots: Digest.meta({ description: "Of the list of snapshots." }),
    capacity: Capacity,
    plan: PlanReference.optional().meta({ description: "The plan that cold boots go by." }),
    planError: z.string().max(2000).optional().meta({ description: "Why a plan is not applied." }),
    planRefused: Digest.optional().meta({ description: "A plan that does not fit this node." }),
  })
  .meta({ id: "Heartbeat" });
export type Heartbeat = z.infer<typeof Heartbeat>;

export const HeartbeatAnswer = z
  .object({
    node: NodeId,
    needs: z.array(z.enum(["profile", "snapshots"])),
    pool: PoolMembership.nullable().meta({ description: "The pool that the node is in." }),
    plan: PlanReference.nullable().meta({ description: "What cold boots are to go by." }),
    heartbeatSeconds: z.number(),
  })
  .meta({ id: "HeartbeatAnswer" });
export type HeartbeatAnswer = z.infer<typeof HeartbeatAnswer>;

export const ProfileReport = z.strictObject({ digest: Digest, profile: Document });

export const HeldSnapshot = z.strictObject({
  name: Name,
  digest: Digest.meta({
    description: "Digest of the manifest: the snapshot's identity on any node.",
  }),
  kind: z.enum(["template", "sandbox"]),
  contract: Digest,
  memoryMib: z.int().min(1).max(LARGEST_INTEGER),
  bytes: z.int().min(0),
  created: Timestamp.refine((text) => Date.parse(text) >= 0, { error: "must be after 1970" }),
  parent: Digest.optional(),
});
export type HeldSnapshot = z.infer<typeof HeldSnapshot>;

export const SnapshotReport = z.strictObject({
  digest: Digest.meta({ description: "Of the list, as the node's heartbeats name it." }),
  snapshots: z
    .array(HeldSnapshot)
    .max(20_000)
    .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, {
      error: "names a snapshot twice",
    }),
});

export const SnapshotAnswer = z.object({
  missing: z.array(Digest).meta({
    description: "Contracts to report first; the list is kept once nothing is missing.",
  }),
  manifests: z.array(Digest).meta({
    description: "Snapshots whose manifests are to be reported then, a thousand of them at most.",
  }),
});

/** As many as a request takes, and how long one may be. */
export const MANIFESTS_AT_ONCE = 1000;
const MANIFEST_LENGTH = 4 * 1024 * 1024;

export const ManifestReport = z.strictObject({
  manifests: z.array(z.string().min(1).max(MANIFEST_LENGTH)).min(1).max(MANIFESTS_AT_ONCE).meta({
    description: "Texts of manifest.json: the SHA-256 of each is the digest of its snapshot.",
  }),
});
export const ManifestsStored = z.object({ digests: z.array(Digest) });

export const PlanFiles = z
  .object({
    ...PlanReference.shape,
    plan: Document.meta({ description: "evenkeel/pool-plan@1" }),
    templates: z.record(z.string(), z.string()),
  })
  .meta({ id: "PlanFiles" });
export type PlanFiles = z.infer<typeof PlanFiles>;

const NODE_STATES = ["ready", "suspect", "lost"] as const;

export const NodeView = z
  .object({
    id: NodeId,
    name: Name,
    state: z.enum(NODE_STATES).meta({
      description:
        "By the last heartbeat: suspect after 15 s, lost after 30 s. Says nothing of its sandboxes.",
    }),
    held: z.string().nullable().meta({ description: "Why it gets no new work, if so." }),
    cordoned: z.boolean(),
    class: z.string().nullable(),
    variant: Digest.nullable(),
    labels: Labels,
    pool: Name.nullable(),
    plan: PlanReference.nullable(),
    planError: z.string().nullable(),
    capacity: Capacity,
    profile: Digest,
    firecracker: z.array(z.string()),
    kernel: z.string().nullable(),
    microcode: z.string().nullable(),
    joined: Timestamp,
    seen: Timestamp,
    certificateExpires: Timestamp,
  })
  .meta({ id: "FleetNode" });
export type NodeView = z.infer<typeof NodeView>;

const NodeChange = z
  .object({
    time: Timestamp,
    profile: Digest,
    class: z.string().nullable(),
    kernel: z.string().nullable(),
    microcode: z.string().nullable(),
    bios: z.string().nullable(),
    firecracker: z.array(z.string()),
    drift: z.string().nullable().meta({ description: "What `drift` says; null for the first." }),
    reasons: z.array(z.string()),
  })
  .meta({ id: "NodeChange" });

export const NodeList = z.object({ nodes: z.array(NodeView) });
export const NodeHistory = z.object({ history: z.array(NodeChange) });
export const NodeUpdate = z.strictObject({
  labels: Labels.optional(),
  cordoned: z.boolean().optional(),
});

const ClassView = z
  .object({
    class: z.string(),
    arch: z.string(),
    variants: z.array(
      z.object({
        variant: Digest,
        kernel: z.string().nullable(),
        firecracker: z.array(z.string()),
        tscKhz: z.number().nullable(),
        nodes: z.array(Name),
        serves: z.int().meta({ description: "How many of the contracts it can resume." }),
      }),
    ),
    nodes: z.int(),
    since: Timestamp,
  })
  .meta({ id: "NodeClass" });
export const ClassList = z.object({ classes: z.array(ClassView), contracts: z.int() });
