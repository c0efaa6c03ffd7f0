/** Emptying a node: what runs is paused, and what can go elsewhere goes. */
import { z } from "zod";
import { Name, SandboxId } from "../names.ts";
import { Digest } from "./names.ts";

export const DrainRequest = z
  .strictObject({
    dryRun: z.boolean().default(false).meta({ description: "Say what would be done, and stop." }),
    strand: z
      .int()
      .min(0)
      .default(0)
      .meta({ description: "How many may stay behind: the right number, or 409 says which." }),
  })
  .meta({ id: "DrainRequest" });
export type DrainRequest = z.infer<typeof DrainRequest>;

const Left = z.object({
  what: z.string().meta({ description: "A sandbox's id, or a snapshot's name." }),
  why: z.string(),
});

export const Drain = z
  .object({
    node: Name,
    dryRun: z.boolean(),
    done: z.boolean().meta({
      description: "False: the time of one call was over; ask again to go on.",
    }),
    pause: z.array(SandboxId).meta({ description: "Sandboxes that run there, still." }),
    move: z
      .array(z.object({ snapshot: Digest, name: Name, to: Name }))
      .meta({ description: "Snapshots that are there alone, still." }),
    stay: z.array(Left).meta({ description: "What no other open node can resume." }),
    failed: z.array(Left),
    paused: z.int().meta({ description: "How many this call has paused." }),
    moved: z.int().meta({ description: "How many this call has moved." }),
  })
  .meta({ id: "Drain" });
export type Drain = z.infer<typeof Drain>;
