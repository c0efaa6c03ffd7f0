/** The node itself: health, profile, events. */
import { z } from "zod";
import { Timestamp } from "../names.ts";

export const Health = z
  .object({
    status: z.enum(["ok", "stopping"]),
    node: z.string(),
    vmm: z.string(),
    version: z.string().meta({ description: "The default release." }),
    releases: z
      .array(z.string())
      .meta({ description: "All supported releases on this node, oldest first." }),
    cpu: z.string().nullable().meta({
      description: "The CPU template of a cold boot; null: none, guests see the node's own CPU.",
    }),
    coldBoots: z.enum(["own", "plan", "unplanned", "refused"]).meta({
      description:
        "What shapes a cold boot that names no CPU: the agent's own choice; the fleet's plan; the host's CPU where a " +
        "plan is due and the pool does without; or nothing: it is refused.",
    }),
    coldBootsWhy: z
      .string()
      .nullable()
      .meta({ description: "Why no plan applies, where one is due." }),
    sandboxes: z.int(),
    unreadable: z.array(z.string()).meta({
      description:
        "Sandboxes whose records cannot be read: their ids stay reserved until they are deleted.",
    }),
    freeBytes: z.number().meta({ description: "Free space in the data directory." }),
  })
  .meta({ id: "Health" });

/** Freely typed: docs/formats.md describes it, and `evenkeel show` reads it. */
export const Profile = z
  .record(z.string(), z.unknown())
  .meta({ id: "Profile", description: "evenkeel/node-profile@1" });

const EVENT_TYPES = [
  "agent.started",
  "agent.stopping",
  "template.created",
  "template.failed",
  "snapshot.imported",
  "snapshot.deleted",
  "snapshot.damaged",
  "sandbox.created",
  "sandbox.paused",
  "sandbox.resumed",
  "sandbox.extended",
  "sandbox.egress",
  "sandbox.killed",
  "sandbox.failed",
  "sandbox.adopted",
  "profile.stale",
  "profile.confirmed",
  "plan.applied",
  "plan.refused",
  "plan.withdrawn",
  "boots.refused",
  "boots.unplanned",
  "boot.unplanned",
  "verdict.refused",
  "verdict.overridden",
  "guest.crashed",
  "orphan.reaped",
] as const;

export const AgentEvent = z
  .object({
    id: z.int(),
    time: Timestamp,
    type: z.enum(EVENT_TYPES),
    subject: z.string().meta({ description: "The sandbox, template or snapshot, or empty." }),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "Event" });

export type AgentEvent = z.infer<typeof AgentEvent>;
export type AgentEventType = AgentEvent["type"];
