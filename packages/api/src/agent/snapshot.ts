/** Snapshots and templates: requests, answers, and the file kept in each. */
import { z } from "zod";
import { Labels, Name, SandboxId, Timestamp } from "../names.ts";
import { Verdict } from "./errors.ts";
import { Machine, Readiness } from "./machine.ts";

/** A verdict that a caller chose to go against, kept with all that comes of it. */
export const OverrideRecord = z
  .object({
    time: Timestamp,
    node: z.string(),
    snapshot: z.string(),
    verdict: Verdict,
    rules: z.array(z.string()).meta({ description: "The rules that did not hold." }),
    names: z.array(z.string()).meta({ description: "The features and facts they are about." }),
    reason: z.string(),
  })
  .meta({ id: "OverrideRecord" });

const SnapshotDisk = z.object({ id: Name, readOnly: z.boolean(), root: z.boolean() });

export const SNAPSHOT_SCHEMA = "evenkeel/snapshot@1";

/** `metadata.json` of a snapshot directory. */
export const SnapshotMetadata = z
  .strictObject({
    schema: z.literal(SNAPSHOT_SCHEMA),
    name: Name,
    kind: z.enum(["template", "sandbox"]).meta({
      description: "template: built from a boot; sandbox: what a paused sandbox goes on from.",
    }),
    created: Timestamp,
    node: z.string().meta({ description: "The node that took it." }),
    vmm: z.enum(["firecracker", "qemu"]),
    version: z.string().meta({ description: "The VMM's version." }),
    vcpus: z.int(),
    memoryMib: z.int(),
    vsock: z.boolean(),
    network: z.boolean().default(false).meta({ description: "Whether the guest has a network." }),
    disks: z.array(SnapshotDisk).max(8),
    sandbox: SandboxId.optional().meta({ description: "The sandbox it was taken of." }),
    from: Name.optional().meta({ description: "The snapshot that sandbox came from." }),
    labels: Labels,
    overrides: z.array(OverrideRecord).meta({ description: "Verdicts gone against on the way." }),
    files: z
      .array(z.strictObject({ path: z.string().max(80), bytes: z.int().min(0) }))
      .max(16)
      .meta({ description: "All other files; a snapshot is whole when each has its size." }),
  })
  .meta({ id: "Snapshot" });

export const TemplateRequest = z
  .strictObject({
    name: Name,
    machine: Machine,
    readiness: Readiness,
    labels: Labels.default({}),
  })
  .meta({ id: "TemplateRequest" });

export const SnapshotList = z.object({ snapshots: z.array(SnapshotMetadata) });
export const TemplateList = z.object({ templates: z.array(SnapshotMetadata) });

export type OverrideRecord = z.infer<typeof OverrideRecord>;
export type SnapshotMetadata = z.infer<typeof SnapshotMetadata>;
export type TemplateRequest = z.infer<typeof TemplateRequest>;
