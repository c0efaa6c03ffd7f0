/** Pools and the versions of their plans. */
import { z } from "zod";
import { Name, Timestamp } from "../names.ts";
import { Digest, Document, Selector } from "./names.ts";
import { Unplanned } from "./node.ts";

export const PoolRequest = z
  .strictObject({
    name: Name,
    selector: Selector,
    strategy: z.enum(["spread", "pack"]).default("spread"),
    unplanned: Unplanned.default("refuse"),
  })
  .meta({ id: "PoolRequest" });

const Rollout = z
  .object({
    version: z.int(),
    stage: z.enum(["canary", "share", "all"]).meta({
      description: "A node of each class; a quarter of the pool; all of it.",
    }),
    state: z.enum(["rolling", "halted", "done"]),
    why: z.string().nullable().meta({ description: "Why it was halted." }),
    started: Timestamp,
  })
  .meta({ id: "Rollout" });

export const PoolView = z
  .object({
    name: Name,
    selector: Selector,
    strategy: z.enum(["spread", "pack"]),
    unplanned: Unplanned,
    nodes: z.array(Name),
    running: z.int().nullable().meta({ description: "The plan version that nodes are to apply." }),
    applied: z.int().meta({ description: "How many nodes say that they apply it." }),
    rollout: Rollout.nullable().meta({ description: "The last one." }),
    created: Timestamp,
  })
  .meta({ id: "Pool" });
export type PoolView = z.infer<typeof PoolView>;
export const PoolList = z.object({ pools: z.array(PoolView) });

const Features = z.array(z.string().max(64)).max(512);

export const PlanRequest = z
  .strictObject({
    identity: z.string().max(32).default("oldest"),
    firecracker: z.array(z.string().max(32)).max(64).optional(),
    require: Features.default([]),
    forbid: Features.default([]),
    without: Features.default([]),
    accept: z.enum(["unknown", "insecure"]).optional(),
  })
  .meta({ id: "PlanRequest", description: "As the options of `evenkeel plan`." });
export type PlanRequest = z.infer<typeof PlanRequest>;

export const ApproveRequest = z
  .strictObject({
    digest: Digest,
    atOnce: z.boolean().default(false).meta({
      description:
        "Without waves: all nodes are told at once. A version that ran before always is.",
    }),
  })
  .meta({ id: "ApproveRequest", description: "What is approved is what was looked at." });

export const ReleaseRequest = z
  .strictObject({ profile: Digest })
  .meta({ id: "ReleaseRequest", description: "The profile that was looked at." });

export const PlanDifference = z
  .object({
    from: z.int().nullable().meta({ description: "The running version; null: there is none." }),
    gained: z.array(z.string()).meta({ description: "Features that guests see from now on." }),
    lost: z.array(z.string()).meta({ description: "Features that guests see no more." }),
    classesAdded: z.array(z.string()),
    classesRemoved: z.array(z.string()),
    templatesChanged: z.array(z.string()).meta({ description: "Classes, by id." }),
    firecrackerAdded: z.array(z.string()),
    firecrackerRemoved: z.array(z.string()),
    identity: z.object({ from: z.string().nullable(), to: z.string().nullable() }).nullable(),
    contractsAffected: z.array(Digest).meta({
      description:
        "Contracts taken under the running version that some class of the new one cannot resume.",
    }),
  })
  .meta({ id: "PlanDifference" });
export type PlanDifference = z.infer<typeof PlanDifference>;

export const PlanVersion = z
  .object({
    pool: Name,
    version: z.int(),
    state: z.enum(["proposed", "rolling", "running", "superseded"]),
    digest: Digest,
    created: Timestamp,
    createdBy: z.string(),
    approvedBy: z.string().nullable(),
    features: z.int().meta({ description: "How many features guests see." }),
    classes: z.array(z.string()),
    difference: PlanDifference,
  })
  .meta({ id: "PlanVersion" });
export type PlanVersion = z.infer<typeof PlanVersion>;
export const PlanVersionFull = PlanVersion.extend({
  plan: Document,
  templates: z.record(z.string(), z.string()),
}).meta({ id: "PlanVersionFull" });
export const PlanList = z.object({ plans: z.array(PlanVersion) });
