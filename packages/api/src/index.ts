/** The public face of `@evenkeel/api`: schemas of files and APIs. */
export type { EgressPolicy } from "./agent/egress.ts";
export { ErrorBody } from "./agent/errors.ts";
export type { CpuSelection, Machine, Readiness } from "./agent/machine.ts";
export type { AgentEvent, AgentEventType } from "./agent/node.ts";
export { AGENT_ROUTES } from "./agent/routes.ts";
export {
  Sandbox,
  type Override,
  type ResumeRequest,
  type SandboxRequest,
  type SandboxState,
} from "./agent/sandbox.ts";
export {
  MANIFEST_SCHEMA,
  SNAPSHOT_SCHEMA,
  SnapshotManifest,
  SnapshotMetadata,
  type OverrideRecord,
  type TemplateRequest,
} from "./agent/snapshot.ts";
