/** Contracts, snapshots, and where they can run. */
import { z } from "zod";
import { Verdict } from "../agent/errors.ts";
import { Name, Timestamp } from "../names.ts";
import { Digest, Document, LARGEST_INTEGER, NodeId, Selector } from "./names.ts";

export const ContractView = z
  .object({
    digest: Digest,
    arch: z.string(),
    vendor: z.string().nullable(),
    class: z.string().nullable(),
    firecracker: z.string(),
    plan: z.string().nullable(),
    node: z.string(),
    reportedBy: z.string(),
    first: Timestamp,
    snapshots: z.int(),
    verdicts: z.record(z.string(), z.int()).meta({ description: "Nodes by verdict." }),
  })
  .meta({ id: "FleetContract" });
export const ContractList = z.object({ contracts: z.array(ContractView) });
export const ContractBody = Document.meta({ description: "evenkeel/cpu-contract@1" });
export const ContractStored = z.object({ digest: Digest, known: z.boolean() });

const SnapshotView = z
  .object({
    name: Name,
    digest: Digest,
    kind: z.enum(["template", "sandbox"]),
    contract: Digest,
    memoryMib: z.int(),
    bytes: z.number(),
    nodes: z.array(Name).meta({ description: "Where its files are." }),
    resumable: z
      .int()
      .meta({ description: "Nodes that the verdict allows, whatever their state." }),
    created: Timestamp,
  })
  .meta({ id: "FleetSnapshot" });
export const SnapshotQuery = z.strictObject({
  name: Name.optional(),
  digest: Digest.optional(),
});
export const SnapshotsView = z.object({ snapshots: z.array(SnapshotView) });

export const PlacementRequest = z
  .strictObject({
    contract: Digest.optional(),
    snapshot: Digest.optional().meta({ description: "A snapshot, by its manifest's digest." }),
    memoryMib: z.int().min(1).max(LARGEST_INTEGER).optional().meta({
      description: "What the guest takes; the snapshot's own where left out.",
    }),
    labels: Selector.default({}),
    pool: Name.optional(),
    limit: z.int().min(1).max(100).default(5),
  })
  .refine(({ contract, snapshot }) => (contract === undefined) !== (snapshot === undefined), {
    error: "must name a contract or a snapshot, and not both",
  })
  .meta({ id: "PlacementRequest" });

const FILTERS = [
  "lost",
  "suspect",
  "held",
  "cordoned",
  "pool",
  "labels",
  "verdict",
  "capacity",
] as const;
export const FilterName = z.enum(FILTERS);
export type FilterName = z.infer<typeof FilterName>;

const FilterCount = z.object({
  filter: FilterName,
  nodes: z.int().meta({ description: "Nodes that this filter took; each is counted once." }),
});

const Obstacle = z.object({
  verdict: Verdict,
  rule: z.string(),
  name: z.string(),
  address: z.string(),
  nodes: z.int(),
});

const Placed = z.object({
  id: NodeId,
  name: Name,
  class: z.string().nullable(),
  holdsFiles: z.boolean(),
  freeSandboxes: z.int(),
  freeMemoryMib: z.int(),
});

export const Placement = z
  .object({
    contract: Digest,
    nodes: z.array(Placed).meta({ description: "Best first." }),
    considered: z.int(),
    eligible: z.int(),
    filters: z.array(FilterCount),
    obstacles: z.array(Obstacle).meta({
      description: "What the verdict found, most nodes first; a node may count for several.",
    }),
    waysOut: z.array(z.string()).meta({ description: "Empty where a node was found." }),
  })
  .meta({ id: "Placement" });
export type Placement = z.infer<typeof Placement>;
