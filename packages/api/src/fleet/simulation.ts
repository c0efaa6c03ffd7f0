/** What a change of the fleet would strand. */
import { z } from "zod";
import { Verdict } from "../agent/errors.ts";
import { Name } from "../names.ts";
import { Digest, Document } from "./names.ts";

const NodeOrClass = z.string().min(1).max(128).meta({ description: "A node's name, or a class." });
const Version = z.string().min(1).max(32);
const FEW = 64;

export const SimulationRequest = z
  .strictObject({
    firecracker: z.array(Version).min(1).max(FEW).optional().meta({
      description: "All nodes have these Firecracker releases from now on.",
    }),
    replace: z
      .array(z.strictObject({ node: NodeOrClass, profile: Document }))
      .max(FEW)
      .default([])
      .meta({ description: "A node, or each node of a class, is like this: an upgrade, a drift." }),
    remove: z.array(NodeOrClass).max(10_000).default([]),
    add: z
      .array(z.strictObject({ profile: Document }))
      .max(FEW)
      .default([]),
    with: z.array(z.string().max(64)).max(FEW).default([]).meta({
      description: "Catalogue models to add: MODEL or MODEL@KERNEL, as `evenkeel models` lists.",
    }),
    pool: Name.optional().meta({ description: "Say what becomes of this pool's plan." }),
    planVersion: z
      .int()
      .min(1)
      .optional()
      .meta({ description: "With `pool`: a version to compare with the one that runs." }),
  })
  .refine(({ pool, planVersion }) => planVersion === undefined || pool !== undefined, {
    error: "needs the pool",
    path: ["planVersion"],
  })
  .meta({
    id: "SimulationRequest",
    description: "Changes, made in this order: firecracker, replace, remove, add, with.",
  });
export type SimulationRequest = z.infer<typeof SimulationRequest>;

const Snapshot = z.object({ digest: Digest, name: Name });
const Snapshots = z.array(Snapshot);
const Tally = z.object({
  compatible: z.int(),
  insecure: z.int(),
  incompatible: z.int(),
  unknown: z.int(),
});

const ContractOutcome = z
  .object({
    contract: Digest,
    snapshots: Snapshots,
    fate: z.enum(["kept", "stranded", "waiting", "already", "regained"]).meta({
      description:
        "waiting: only nodes that get no new work can resume it; already: no node could before.",
    }),
    before: Tally,
    after: Tally,
    open: z.int().meta({ description: "Nodes that can resume it and get new work." }),
    classes: z.array(z.object({ class: z.string(), nodes: z.int() })),
    room: z.object({ sandboxes: z.int(), memoryMib: z.int() }),
    lastClass: z
      .string()
      .nullable()
      .meta({ description: "The one class left: losing it would strand the contract." }),
    obstacles: z.array(
      z.object({
        verdict: Verdict,
        rule: z.string(),
        name: z.string(),
        address: z.string(),
        nodes: z.int(),
      }),
    ),
  })
  .meta({ id: "ContractOutcome" });

const Texts = z.array(z.string());
const PlanChange = z
  .object({
    gained: Texts,
    lost: Texts,
    classesAdded: Texts,
    classesRemoved: Texts,
    firecrackerAdded: Texts,
    firecrackerRemoved: Texts,
    unplanned: Texts.meta({ description: "Nodes that the plan has no template for." }),
    refusals: z.array(z.object({ code: z.string(), message: z.string(), hint: z.string() })),
  })
  .meta({ id: "PlanChange" });

export const Simulation = z
  .object({
    nodesBefore: z.int(),
    nodesAfter: z.int(),
    count: z.int().meta({ description: "Snapshots that the change takes: what --strand names." }),
    stranded: Snapshots,
    unknown: Snapshots.meta({ description: "Of those, the ones with an unknown verdict." }),
    filesLost: Snapshots.meta({ description: "Snapshots whose only files go." }),
    waiting: Snapshots,
    alreadyStranded: Snapshots,
    regained: Snapshots,
    kept: z.int().meta({ description: "Contracts that two classes or more can still resume." }),
    contracts: z.array(ContractOutcome).meta({ description: "All others." }),
    plan: PlanChange.nullable(),
  })
  .meta({ id: "Simulation" });
export type Simulation = z.infer<typeof Simulation>;

export const Strand = z.strictObject({
  strand: z.coerce.number().int().min(0).default(0).meta({
    description:
      "How many snapshots may be stranded: the right number, or 409 says which they are.",
  }),
});
