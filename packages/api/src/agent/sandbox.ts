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
  .meta({ description: "Seconds from now; stored as an absolute deadline." });

/** Goes against a verdict, once, on purpose, and leaves a trace. */
export const Override = z
  .strictObject({
    accept: z.enum(["unknown", "insecure", "incompatible"]).meta({
      description: "The worst verdict to override; anything worse is still refused.",
    }),
    reason: z.string().min(1).max(500).meta({ description: "Recorded in events and metadata." }),
  })
  .meta({ id: "Override" });

export const SandboxRequest = z
  .strictObject({
    id: SandboxId.optional().meta({ description: "Chosen by the agent if omitted." }),
    from: Name.optional().meta({ description: "Resume this template or snapshot." }),
    machine: Machine.optional().meta({ description: "Boot this machine instead." }),
    timeoutSeconds: TimeoutSeconds.optional(),
    onTimeout: z.enum(["kill", "pause"]).default("kill"),
    labels: Labels.default({}),
    override: Override.optional(),
    egress: EgressPolicy.optional().meta({
      description: "What the guest can reach; the node's default if omitted.",
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
    snapshot: Name.optional().meta({
      description: "The snapshot that a paused sandbox resumes from.",
    }),
    vcpus: z.int(),
    memoryMib: z.int(),
    created: Timestamp,
    deadline: Timestamp.optional().meta({
      description: "When it will be killed or paused; paused sandboxes have none.",
    }),
    timeoutSeconds: z
      .int()
      .optional()
      .meta({ description: "The default for a resume without a timeout." }),
    onTimeout: z.enum(["kill", "pause"]),
    labels: Labels,
    pid: z.int().optional().meta({ description: "The VMM's process." }),
    overrides: z.array(OverrideRecord),
    network: z.boolean().default(false).meta({ description: "Whether the guest has a network." }),
    egress: EgressPolicy.optional().meta({
      description: "What was requested; the node's default if omitted.",
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
