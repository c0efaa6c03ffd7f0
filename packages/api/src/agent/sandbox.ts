/** Sandboxes: requests and answers. */
import { z } from "zod";
import { Labels, Name, SandboxId, Timestamp } from "../names.ts";
import { EgressPolicy } from "./egress.ts";
import { Machine } from "./machine.ts";
import { OverrideRecord } from "./snapshot.ts";

const MONTH = 30 * 24 * 3600;
const TimeoutSeconds = z
  .int()
  .min(1)
  .max(MONTH)
  .meta({ description: "From now; the deadline is absolute." });

/** Goes against a verdict, once, on purpose, and leaves a trace. */
export const Override = z
  .strictObject({
    accept: z.enum(["unknown", "insecure", "incompatible"]).meta({
      description: "The worst verdict to go against; a worse one is still refused.",
    }),
    reason: z.string().min(1).max(500).meta({ description: "Kept in events and in metadata." }),
  })
  .meta({ id: "Override" });

export const SandboxRequest = z
  .strictObject({
    id: SandboxId.optional().meta({ description: "Chosen by the agent where left out." }),
    from: Name.optional().meta({ description: "Resume this template or snapshot." }),
    machine: Machine.optional().meta({ description: "Boot this machine instead." }),
    timeoutSeconds: TimeoutSeconds.optional(),
    onTimeout: z.enum(["kill", "pause"]).default("kill"),
    labels: Labels.default({}),
    override: Override.optional(),
    egress: EgressPolicy.optional().meta({
      description: "What the guest may reach; as the node is configured where left out.",
    }),
  })
  .refine(({ from, machine }) => (from === undefined) !== (machine === undefined), {
    error: "give one of from and machine",
    path: ["from"],
  })
  .meta({ id: "SandboxRequest" });

export const ResumeRequest = z
  .strictObject({ timeoutSeconds: TimeoutSeconds.optional(), override: Override.optional() })
  .meta({ id: "ResumeRequest" });

export const TimeoutRequest = z
  .strictObject({ timeoutSeconds: TimeoutSeconds })
  .meta({ id: "TimeoutRequest" });

export const SandboxState = z.enum([
  "creating",
  "running",
  "pausing",
  "paused",
  "resuming",
  "killing",
  "failed",
]);

const Failure = z.object({
  time: Timestamp,
  message: z.string(),
  console: z.string().meta({ description: "The end of the guest's serial console." }),
});

export const Sandbox = z
  .object({
    id: SandboxId,
    state: SandboxState,
    from: Name.optional(),
    snapshot: Name.optional().meta({ description: "What a paused sandbox goes on from." }),
    vcpus: z.int(),
    memoryMib: z.int(),
    created: Timestamp,
    deadline: Timestamp.optional().meta({
      description: "When it is killed or paused; a paused one has none.",
    }),
    timeoutSeconds: z
      .int()
      .optional()
      .meta({ description: "What a resume gives it that does not say." }),
    onTimeout: z.enum(["kill", "pause"]),
    labels: Labels,
    pid: z.int().optional().meta({ description: "The VMM's process." }),
    overrides: z.array(OverrideRecord),
    network: z.boolean().default(false).meta({ description: "Whether the guest has a network." }),
    egress: EgressPolicy.optional().meta({
      description: "What was asked for; as the node is configured where left out.",
    }),
    failure: Failure.optional(),
  })
  .meta({ id: "Sandbox" });

export const SandboxList = z.object({ sandboxes: z.array(Sandbox) });

export type Sandbox = z.infer<typeof Sandbox>;
export type SandboxState = z.infer<typeof SandboxState>;
export type SandboxRequest = z.infer<typeof SandboxRequest>;
export type ResumeRequest = z.infer<typeof ResumeRequest>;
export type Override = z.infer<typeof Override>;
