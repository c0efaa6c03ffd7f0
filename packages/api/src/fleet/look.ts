/** The fleet to look at: what the server's pages draw, for other pictures too. */
import { z } from "zod";
import { Verdict } from "../agent/errors.ts";
import { Name, Timestamp } from "../names.ts";
import { Digest } from "./names.ts";

const Room = z.object({ sandboxes: z.int(), memoryMib: z.int() });
/** How many, and the names of the first. */
const Named = z.object({ count: z.int(), names: z.array(z.string()) });

const ClassShare = z
  .object({
    class: z.string(),
    arch: z.string(),
    nodes: z.int(),
    open: z.int().meta({ description: "Of those, nodes that get new work." }),
    kernels: z.array(z.string()),
    serves: z.int().meta({ description: "How many of the contracts it can resume." }),
    room: Room.meta({ description: "What its open nodes can run in all." }),
    left: Room.meta({
      description: "What the open nodes of all other classes can run, less what runs anywhere now.",
    }),
    alone: z.int().meta({ description: "Snapshots that no other class can resume." }),
  })
  .meta({ id: "ClassShare" });

export const Overview = z
  .object({
    nodes: z.object({
      all: z.int(),
      ready: z.int(),
      suspect: z.int(),
      lost: z.int(),
      held: z.int(),
      cordoned: z.int(),
    }),
    contracts: z.int(),
    snapshots: z.object({
      all: z.int(),
      stranded: Named.meta({ description: "No node can resume them." }),
      single: Named.meta({ description: "One node alone can resume them." }),
      oneClass: Named.meta({ description: "One class alone can resume them." }),
    }),
    used: Room.meta({ description: "What runs now." }),
    room: Room.meta({ description: "What the open nodes can run in all." }),
    classes: z.array(ClassShare),
  })
  .meta({ id: "Overview" });
export type Overview = z.infer<typeof Overview>;

const Finding = z
  .object({
    severity: z.enum(["incompatible", "insecure", "unknown", "note"]),
    rule: z.string(),
    address: z.string(),
    name: z.string(),
    consequence: z.string(),
  })
  .meta({ id: "FleetFinding" });

const Group = z.object({
  label: z.string(),
  nodes: z.array(z.string()).meta({ description: "Snapshots of a row, nodes of a column; a few." }),
});

export const Compatibility = z
  .object({
    classes: z.array(Group),
    from: z.array(Group),
    moves: z.array(
      z.object({
        from: z.string(),
        to: z.string(),
        verdict: Verdict,
        findings: z.array(Finding),
      }),
    ),
    hidden: z.int().meta({ description: "Rows beyond those." }),
  })
  .meta({
    id: "Compatibility",
    description: "Contracts that fare the same on every class are one row.",
  });
export type Compatibility = z.infer<typeof Compatibility>;

const Joint = z.object({
  left: z.array(z.string()),
  right: z.array(z.string()),
  leftLoses: z.array(z.string()),
  rightLoses: z.array(z.string()),
  cost: z.int().meta({ description: "Features given up, counted once per node." }),
  worstLoss: z.int().meta({ description: "The most that any class would then have given up." }),
});

export const MergeTreeView = z
  .object({
    classes: z.array(z.string()),
    tree: z.array(Joint).meta({ description: "The cheapest first." }),
    refused: z.array(z.string()).meta({ description: "Why there is no tree; else empty." }),
  })
  .meta({ id: "MergeTree" });
export type MergeTreeView = z.infer<typeof MergeTreeView>;

const Wave = z.enum(["canary", "share", "all"]);
export const RolloutView = z
  .object({
    pool: Name,
    version: z.int(),
    before: z.int().nullable().meta({ description: "The version that ran until now." }),
    stage: Wave,
    state: z.enum(["rolling", "halted", "done"]),
    why: z.string().nullable(),
    started: Timestamp,
    stageSince: Timestamp,
    nodes: z
      .array(
        z.object({
          node: Name,
          class: z.string(),
          wave: Wave.meta({ description: "The wave that tells it the version." }),
          check: z.enum(["applied", "refused", "waiting", "away", "untold"]).meta({
            description: "away: waiting, and not ready; untold: its wave has not begun.",
          }),
          error: z.string().nullable(),
        }),
      )
      .meta({ description: "By wave, and what needs attention first." }),
  })
  .meta({ id: "RolloutNodes" });
export type RolloutView = z.infer<typeof RolloutView>;

const Facts = z.object({
  kernel: z.string().nullable(),
  microcode: z.string().nullable(),
  bios: z.string().nullable(),
  firecracker: z.array(z.string()),
});

export const Drifts = z
  .object({
    changes: z
      .array(
        z.object({
          class: z.string().meta({ description: "Before the change." }),
          to: z.string().meta({ description: "After it." }),
          first: Timestamp,
          last: Timestamp,
          drift: z.string().nullable().meta({ description: "What `evenkeel drift` says of it." }),
          reasons: z.array(z.string()),
          nodes: Named,
          before: Facts,
          after: Facts,
          served: z.object({ before: z.int(), after: z.int() }).meta({
            description: "How many of the contracts a node like that can resume.",
          }),
        }),
      )
      .meta({ description: "Newest first; the same change of several nodes is one." }),
    more: z.boolean().meta({ description: "Older changes were left out." }),
  })
  .meta({ id: "Drifts" });
export type Drifts = z.infer<typeof Drifts>;

const Relative = z.object({ digest: Digest, name: z.string().nullable() });

export const SnapshotDetail = z
  .object({
    digest: Digest,
    verdicts: z
      .array(
        z.object({
          class: z.string(),
          kernel: z.string().nullable(),
          nodes: z.int(),
          verdict: Verdict,
          findings: z.array(Finding),
        }),
      )
      .meta({ description: "What the index says of its contract, by kind of node." }),
    ancestors: z
      .array(Relative)
      .meta({ description: "Its parent first; a name while it is held." }),
    children: z.array(Relative),
    sandboxes: z.array(z.string()).meta({ description: "Sandboxes that came from it; a few." }),
    overrides: z.array(
      z.object({
        time: Timestamp,
        actor: z.string(),
        subject: z.string(),
        node: z.string(),
        accept: z.string().meta({ description: "The worst verdict that was overridden." }),
        reason: z.string(),
      }),
    ),
  })
  .meta({ id: "SnapshotDetail" });
export type SnapshotDetail = z.infer<typeof SnapshotDetail>;
