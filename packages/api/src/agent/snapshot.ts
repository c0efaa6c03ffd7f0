/** Snapshots and templates: requests, answers, and the file kept in each. */
import { z } from "zod";
import { Labels, Name, SandboxId, Timestamp } from "../names.ts";
import { Verdict } from "./errors.ts";
import { Machine, MemoryMib, Readiness, Vcpus } from "./machine.ts";

/** Text that another node wrote: a name, a version, a rule. */
const Short = z.string().max(256);

/** A verdict that a caller chose to go against, kept with all that comes of it. */
export const OverrideRecord = z
  .object({
    time: Timestamp,
    node: Short,
    snapshot: Short,
    verdict: Verdict,
    rules: z.array(Short).max(256).meta({ description: "The rules that did not hold." }),
    names: z.array(Short).max(4096).meta({ description: "The features and facts concerned." }),
    reason: z.string().max(500),
  })
  .meta({ id: "OverrideRecord" });

const SnapshotDisk = z.object({ id: Name, readOnly: z.boolean(), root: z.boolean() });
type SnapshotDisk = z.infer<typeof SnapshotDisk>;

const Digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .meta({ description: "SHA-256 as hexadecimal digits." });

export const MANIFEST_SCHEMA = "evenkeel/snapshot-manifest@1";
export const SNAPSHOT_SCHEMA = "evenkeel/snapshot@2";

const FACTS = {
  kind: z.enum(["template", "sandbox"]).meta({
    description: "template: built from a boot; sandbox: what a paused sandbox resumes from.",
  }),
  created: Timestamp,
  node: Short.meta({ description: "The node that took it." }),
  vmm: z.enum(["firecracker", "qemu"]),
  version: z.string().max(64).meta({ description: "The VMM's version." }),
  vcpus: Vcpus,
  memoryMib: MemoryMib,
  vsock: z.boolean(),
  network: z.boolean().default(false).meta({ description: "Whether the guest has a network." }),
  disks: z
    .array(SnapshotDisk)
    .max(8)
    .refine(
      (disks: readonly SnapshotDisk[]) => new Set(disks.map(({ id }) => id)).size === disks.length,
      {
        error: "has two disks with the same id",
      },
    ),
  sandbox: SandboxId.optional().meta({ description: "The sandbox it was taken from." }),
  from: Name.optional().meta({ description: "The snapshot that sandbox came from." }),
  parent: Digest.optional().meta({ description: "The digest of that snapshot's manifest." }),
  labels: Labels,
  overrides: z
    .array(OverrideRecord)
    .max(256)
    .meta({ description: "Overridden verdicts in its history." }),
  contract: Digest.meta({ description: "The CPU contract's own digest." }),
  files: z
    .array(z.strictObject({ path: z.string().max(80), bytes: z.int().min(0), sha256: Digest }))
    .max(16)
    .refine((files) => new Set(files.map(({ path }) => path)).size === files.length, {
      error: "names a file twice",
    })
    .meta({ description: "All its files, including the contract." }),
};

/** `manifest.json` of a snapshot: what it is, on whatever node. Its SHA-256 is its identity. */
export const SnapshotManifest = z.strictObject({ schema: z.literal(MANIFEST_SCHEMA), ...FACTS });

/** A snapshot as the API shows it: its manifest, and what it is called here. */
export const SnapshotMetadata = z
  .strictObject({
    schema: z.literal(SNAPSHOT_SCHEMA),
    name: Name,
    digest: Digest.meta({
      description: "Digest of the manifest: the snapshot's identity on any node.",
    }),
    signedBy: Digest.optional().meta({ description: "The key that signed it, by its SHA-256." }),
    damaged: z
      .string()
      .optional()
      .meta({ description: "What a scrub found to differ, if anything." }),
    ...FACTS,
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
export type SnapshotManifest = z.infer<typeof SnapshotManifest>;
export type SnapshotMetadata = z.infer<typeof SnapshotMetadata>;
export type TemplateRequest = z.infer<typeof TemplateRequest>;
