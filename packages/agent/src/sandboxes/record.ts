/** A sandbox as its record keeps it on disk, and as the API shows it. */
import { Sandbox, SnapshotMetadata, type OverrideRecord, type SandboxState } from "@evenkeel/api";
import { z } from "zod";

export const SANDBOX_SCHEMA = "evenkeel/sandbox@1";

export const SandboxRecord = Sandbox.omit({ pid: true }).extend({
  schema: z.literal(SANDBOX_SCHEMA).default(SANDBOX_SCHEMA),
  vsock: z.boolean(),
  disks: SnapshotMetadata.shape.disks,
  /** The running microVM. */
  vm: z
    .object({
      directory: z.string(),
      pid: z.int(),
      startTime: z.string(),
      jail: z.object({ root: z.string(), uid: z.int(), slot: z.int() }).optional(),
      /** The release that it runs on; a later agent may have a different default. */
      release: z.string(),
    })
    .optional(),
  /** Digest of the contract of the running or paused guest. */
  contract: z.string().optional(),
  /** Seconds that the deadline gave when it was set. */
  granted: z.number().optional(),
  /** The snapshot that a pause is making. */
  pending: z.string().optional(),
  /** How many snapshots were taken, for their names. */
  taken: z.int(),
});

export type SandboxRecord = z.infer<typeof SandboxRecord>;

export function viewOf(record: SandboxRecord): Sandbox {
  const { schema: _schema, vsock: _vsock, disks: _disks, ...rest } = record;
  const {
    vm,
    pending: _pending,
    taken: _taken,
    contract: _contract,
    granted: _granted,
    ...view
  } = rest;
  return vm === undefined ? view : { ...view, pid: vm.pid };
}

/** As many as a manifest holds: with one more, no snapshot could be taken any more. */
const MOST_OVERRIDES = 256;

/** The overrides in a guest's history; if there are too many, the newest. */
export function overridesWith(
  before: readonly OverrideRecord[],
  more: readonly OverrideRecord[],
): OverrideRecord[] {
  return [...before, ...more].slice(-MOST_OVERRIDES);
}

/** States in which a sandbox has a microVM, or is about to get one. */
const LIVE: ReadonlySet<SandboxState> = new Set(["creating", "running", "pausing", "resuming"]);

export function isLive({ state }: SandboxRecord): boolean {
  return LIVE.has(state);
}
