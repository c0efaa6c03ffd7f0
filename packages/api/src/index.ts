/**
 * The public face of `@evenkeel/api`: schemas of files and APIs. The fleet's routes are `@evenkeel/api/fleet`, so
 * that an agent does not hold them in memory.
 */
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
export type { Caller } from "./fleet/routes.ts";
export type { Drain, DrainRequest } from "./fleet/drain.ts";
export type { Certificate } from "./fleet/join.ts";
export type { Role } from "./fleet/names.ts";
export type {
  Capacity,
  HeldSnapshot,
  Heartbeat,
  HeartbeatAnswer,
  NodeView,
  PlanFiles,
  PlanReference,
} from "./fleet/node.ts";
export type { FilterName, Placement } from "./fleet/placement.ts";
export type {
  FleetResumeRequest,
  FleetSandbox,
  FleetSandboxRequest,
  NodeSandbox,
  Work,
  WorkBody,
  WorkResult,
} from "./fleet/sandbox.ts";
export type { Simulation, SimulationRequest } from "./fleet/simulation.ts";
export type {
  Compatibility,
  Drifts,
  MergeTreeView,
  Overview,
  RolloutView,
  SnapshotDetail,
} from "./fleet/look.ts";
export type { PlanDifference, PlanRequest, PlanVersion, PoolView } from "./fleet/pool.ts";
export { readOptions, type OptionSources, type Options } from "./options.ts";
