/** Every call of the fleet's API: who may make it, method, path, and what goes in and out. */
import { z } from "zod";
import { Name } from "../names.ts";
import { AuditList, AuditQuery, FleetHealth } from "./audit.ts";
import {
  CaAnswer,
  Certificate,
  JoinRequest,
  JoinToken,
  JoinTokenRequest,
  NewToken,
  RenewRequest,
  TokenList,
  TokenRequest,
} from "./join.ts";
import { ByName, Digest, LARGEST_INTEGER, NoBody } from "./names.ts";
import {
  ClassList,
  Heartbeat,
  HeartbeatAnswer,
  ManifestReport,
  ManifestsStored,
  NodeHistory,
  NodeList,
  NodeUpdate,
  NodeView,
  PlanFiles,
  ProfileReport,
  SnapshotAnswer,
  SnapshotReport,
} from "./node.ts";
import {
  ContractBody,
  ContractList,
  ContractStored,
  ContractView,
  Placement,
  PlacementRequest,
  SnapshotQuery,
  SnapshotsView,
} from "./placement.ts";
import {
  ApproveRequest,
  PlanList,
  PlanRequest,
  PlanVersion,
  PlanVersionFull,
  PoolList,
  PoolRequest,
  PoolView,
  ReleaseRequest,
} from "./pool.ts";
import { CHANGE_ROUTES } from "./change-routes.ts";
import { LOOK_ROUTES } from "./look-routes.ts";
import { E2bKeyList, E2bKeyRequest, NewE2bKey } from "./e2b.ts";
import { Nothing, route } from "./route.ts";
import { Strand } from "./simulation.ts";

export type { Caller } from "./route.ts";

export { LARGEST_INTEGER } from "./names.ts";
export { SandboxId } from "../names.ts";
export { TUNNEL } from "./tunnel.ts";
export { HeldSnapshot, MANIFESTS_AT_ONCE } from "./node.ts";
export { WorkAnswer } from "./sandbox.ts";

const ByDigest = z.strictObject({ digest: Digest });
const ByVersion = z.strictObject({
  name: Name,
  version: z.coerce.number().int().min(1).max(LARGEST_INTEGER),
});

export const FLEET_ROUTES = {
  ...CHANGE_ROUTES,
  ...LOOK_ROUTES,

  health: route("GET", "/v1/health", "anyone", "Is the server well?", {}, { 200: FleetHealth }),
  ca: route(
    "GET",
    "/v1/ca",
    "anyone",
    "The CA's certificate, which a join token has the digest of.",
    {},
    { 200: CaAnswer },
  ),
  join: route(
    "POST",
    "/v1/join",
    "anyone",
    "Join with a one-time token. The same token and key again get the same node.",
    { body: JoinRequest },
    { 201: Certificate },
  ),

  renew: route(
    "POST",
    "/v1/node/certificate",
    "node",
    "A new certificate for the node that asks.",
    { body: RenewRequest },
    { 201: Certificate },
  ),
  heartbeat: route(
    "POST",
    "/v1/node/heartbeat",
    "node",
    "A node is there, and says what it has; every 5 seconds.",
    { body: Heartbeat },
    { 200: HeartbeatAnswer },
  ),
  reportProfile: route(
    "PUT",
    "/v1/node/profile",
    "node",
    "The node's profile, when it is another than the server knows.",
    { body: ProfileReport },
    { 200: NodeView },
  ),
  reportSnapshots: route(
    "PUT",
    "/v1/node/snapshots",
    "node",
    "All snapshots that the node holds.",
    { body: SnapshotReport },
    { 200: SnapshotAnswer },
  ),
  reportContract: route(
    "PUT",
    "/v1/node/contracts",
    "node",
    "A contract of one of its snapshots.",
    { body: ContractBody },
    { 200: ContractStored },
  ),
  reportManifests: route(
    "PUT",
    "/v1/node/manifests",
    "node",
    "Manifests of its snapshots, which say whose contracts those are.",
    { body: ManifestReport },
    { 200: ManifestsStored },
  ),
  nodePlan: route(
    "GET",
    "/v1/node/plan",
    "node",
    "The plan that the node's cold boots are to go by.",
    {},
    { 200: PlanFiles },
  ),

  createJoinToken: route(
    "POST",
    "/v1/join-tokens",
    "operate",
    "A token that lets one node join.",
    { body: JoinTokenRequest },
    { 201: JoinToken },
  ),
  listTokens: route("GET", "/v1/tokens", "view", "Operators' tokens.", {}, { 200: TokenList }),
  createToken: route(
    "POST",
    "/v1/tokens",
    "operate",
    "A token for an operator, of the caller's role at most.",
    { body: TokenRequest },
    { 201: NewToken },
  ),
  listE2bKeys: route(
    "GET",
    "/v1/e2b-keys",
    "view",
    "Teams' keys for E2B's API, without the keys themselves.",
    {},
    { 200: E2bKeyList },
  ),
  createE2bKey: route(
    "POST",
    "/v1/e2b-keys",
    "operate",
    "A key for a team to call E2B's API with.",
    { body: E2bKeyRequest },
    { 201: NewE2bKey },
  ),
  deleteE2bKey: route(
    "DELETE",
    "/v1/e2b-keys/:team/:name",
    "operate",
    "Revoke a team's key.",
    { params: E2bKeyRequest },
    { 204: Nothing },
  ),
  deleteToken: route(
    "DELETE",
    "/v1/tokens/:name",
    "operate",
    "Revoke an operator's token.",
    { params: ByName },
    { 204: Nothing },
  ),

  listNodes: route("GET", "/v1/nodes", "view", "All nodes.", {}, { 200: NodeList }),
  getNode: route(
    "GET",
    "/v1/nodes/:name",
    "view",
    "A node.",
    { params: ByName },
    { 200: NodeView },
  ),
  nodeHistory: route(
    "GET",
    "/v1/nodes/:name/history",
    "view",
    "What changed on a node, and when: newest first.",
    { params: ByName },
    { 200: NodeHistory },
  ),
  updateNode: route(
    "PATCH",
    "/v1/nodes/:name",
    "operate",
    "Change a node's labels; cordon it, or take that back.",
    { params: ByName, body: NodeUpdate },
    { 200: NodeView },
  ),
  releaseNode: route(
    "POST",
    "/v1/nodes/:name/release",
    "override",
    "Give a node new work again after its profile changed.",
    { params: ByName, body: ReleaseRequest },
    { 200: NodeView },
  ),
  deleteNode: route(
    "DELETE",
    "/v1/nodes/:name",
    "operate",
    "Forget a node and revoke its certificate. Its sandboxes run on.",
    { params: ByName, querystring: Strand },
    { 204: Nothing },
  ),
  listClasses: route(
    "GET",
    "/v1/classes",
    "view",
    "Classes of nodes across the fleet.",
    {},
    { 200: ClassList },
  ),

  listPools: route("GET", "/v1/pools", "view", "All pools.", {}, { 200: PoolList }),
  getPool: route(
    "GET",
    "/v1/pools/:name",
    "view",
    "A pool.",
    { params: ByName },
    { 200: PoolView },
  ),
  createPool: route(
    "POST",
    "/v1/pools",
    "operate",
    "A pool: nodes whose snapshots are to be interchangeable.",
    { body: PoolRequest },
    { 201: PoolView },
  ),
  deletePool: route(
    "DELETE",
    "/v1/pools/:name",
    "operate",
    "Delete a pool; its nodes go back to booting without a plan.",
    { params: ByName },
    { 204: Nothing },
  ),
  listPlans: route(
    "GET",
    "/v1/pools/:name/plans",
    "view",
    "The versions of a pool's plan.",
    { params: ByName },
    { 200: PlanList },
  ),
  getPlan: route(
    "GET",
    "/v1/pools/:name/plans/:version",
    "view",
    "A version, with its plan and templates.",
    { params: ByVersion },
    { 200: PlanVersionFull },
  ),
  computePlan: route(
    "POST",
    "/v1/pools/:name/plans",
    "operate",
    "Compute a new version for the nodes that the pool has now.",
    { params: ByName, body: PlanRequest },
    { 201: PlanVersion },
  ),
  approvePlan: route(
    "POST",
    "/v1/pools/:name/plans/:version/approve",
    "operate",
    "Let the pool's nodes apply a version to their cold boots.",
    { params: ByVersion, body: ApproveRequest },
    { 200: PlanVersion },
  ),

  haltRollout: route(
    "POST",
    "/v1/pools/:name/halt",
    "operate",
    "Halt the rollout of a version: nodes go back to the one before.",
    { params: ByName, body: NoBody },
    { 200: PoolView },
  ),

  putContract: route(
    "PUT",
    "/v1/contracts",
    "operate",
    "Register a contract of a snapshot that no agent holds.",
    { body: ContractBody },
    { 200: ContractStored },
  ),
  listContracts: route("GET", "/v1/contracts", "view", "All contracts.", {}, { 200: ContractList }),
  getContract: route(
    "GET",
    "/v1/contracts/:digest",
    "view",
    "A contract, with the nodes by verdict.",
    { params: ByDigest },
    { 200: ContractView },
  ),
  listSnapshots: route(
    "GET",
    "/v1/snapshots",
    "view",
    "Snapshots that nodes hold; all, or those of a name or a digest.",
    { querystring: SnapshotQuery },
    { 200: SnapshotsView },
  ),
  place: route(
    "POST",
    "/v1/placements",
    "view",
    "Which nodes can run this, best first, or why none can.",
    { body: PlacementRequest },
    { 200: Placement },
  ),
  listAudit: route(
    "GET",
    "/v1/audit",
    "view",
    "Who did what: newest first.",
    { querystring: AuditQuery },
    { 200: AuditList },
  ),
} as const;
