/**
 * The tables as drizzle sees them. The migrations make them; a test holds the two equal. Whatever a
 * verdict or a digest is made of is kept as text, since jsonb reorders keys.
 */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import type { Capacity, PlanDifference, SandboxState } from "@evenkeel/api";
import type { Finding, Verdict } from "@evenkeel/core";

const time = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });
type Labels = Readonly<Record<string, string>>;
/** Lists of short texts, as PostgreSQL has them. */
const texts = customType<{ data: readonly string[]; driverData: string | readonly string[] }>({
  dataType: () => "jsonb",
  toDriver: (list) => JSON.stringify(list),
  fromDriver: (value) =>
    (typeof value === "string" ? JSON.parse(value) : value) as readonly string[],
});

/** A transaction's number, which never wraps around. */
const xid8 = customType<{ data: string }>({ dataType: () => "xid8" });

/** One row: the CA that signs the server's and the nodes' certificates. */
export const authority = pgTable("authority", {
  id: integer("id").primaryKey(),
  certificate: text("certificate").notNull(),
  key: text("key").notNull(),
  created: time("created").notNull(),
});

export const joinTokens = pgTable("join_tokens", {
  id: text("id").primaryKey(),
  hash: text("hash").notNull().unique(),
  labels: jsonb("labels").$type<Labels>().notNull(),
  createdBy: text("created_by").notNull(),
  created: time("created").notNull(),
  expires: time("expires").notNull(),
  /** The node that used it, and the digest of the public key it used it with. */
  node: text("node"),
  key: text("key"),
});

export const operatorTokens = pgTable("operator_tokens", {
  name: text("name").primaryKey(),
  role: text("role").$type<"view" | "operate" | "override">().notNull(),
  hash: text("hash").notNull().unique(),
  createdBy: text("created_by").notNull(),
  created: time("created").notNull(),
});

/** What nodes of one verdict key are like: a profile of one of them stands for all. */
export const variants = pgTable("variants", {
  id: text("id").primaryKey(),
  class: text("class").notNull(),
  arch: text("arch").notNull(),
  profile: text("profile").notNull(),
  created: time("created").notNull(),
});

export const nodes = pgTable(
  "nodes",
  {
    id: text("id").primaryKey(),
    name: text("name").notNull().unique(),
    labels: jsonb("labels").$type<Labels>().notNull(),
    joined: time("joined").notNull(),
    seen: time("seen").notNull(),
    /** Digest of the profile in `profiles` that was accepted last. */
    profile: text("profile").notNull(),
    variant: text("variant")
      .notNull()
      .references(() => variants.id),
    /** Why it gets no new work; null: nothing is held against it. */
    held: text("held"),
    /** The profile that drift is judged against: the last that was not held. */
    baseline: text("baseline").notNull(),
    /** Digest that the node named and has not sent yet. */
    pendingProfile: text("pending_profile"),
    cordoned: boolean("cordoned").notNull(),
    capacity: jsonb("capacity").$type<Capacity>().notNull(),
    snapshots: text("snapshots").notNull(),
    planPool: text("plan_pool"),
    planVersion: integer("plan_version"),
    planDigest: text("plan_digest"),
    planError: text("plan_error"),
    /** Digest of a plan that does not fit the node. */
    planRefused: text("plan_refused"),
    certificateExpires: time("certificate_expires").notNull(),
    /** The transaction that changed the row last; a trigger sets it. */
    touched: xid8("touched")
      .notNull()
      .default(sql`pg_current_xact_id()`),
  },
  (table) => [index("nodes_variant").on(table.variant)],
);

export const profiles = pgTable("profiles", {
  digest: text("digest").primaryKey(),
  profile: text("profile").notNull(),
  variant: text("variant")
    .notNull()
    .references(() => variants.id),
  class: text("class").notNull(),
  kernel: text("kernel"),
  microcode: text("microcode"),
  bios: text("bios"),
  firecracker: texts("firecracker").notNull(),
  tscKhz: integer("tsc_khz"),
});

/** Deleted nodes: one that joins again under its name is compared with what it was. */
export const formerNodes = pgTable("former_nodes", {
  name: text("name").primaryKey(),
  baseline: text("baseline").notNull(),
  cordoned: boolean("cordoned").notNull(),
  deleted: time("deleted").notNull(),
});

export const nodeHistory = pgTable(
  "node_history",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    node: text("node").notNull(),
    time: time("time").notNull(),
    profile: text("profile").notNull(),
    drift: text("drift"),
    reasons: texts("reasons").notNull(),
  },
  (table) => [index("node_history_node").on(table.node, table.id)],
);

export const pools = pgTable("pools", {
  name: text("name").primaryKey(),
  selector: jsonb("selector").$type<Labels>().notNull(),
  strategy: text("strategy").$type<"spread" | "pack">().notNull(),
  running: integer("running"),
  /** Whether nodes boot guests before they have applied its plan. */
  unplanned: text("unplanned").$type<"refuse" | "allow">().notNull().default("refuse"),
  created: time("created").notNull(),
});

export const planVersions = pgTable(
  "plan_versions",
  {
    pool: text("pool")
      .notNull()
      .references(() => pools.name, { onDelete: "cascade" }),
    version: integer("version").notNull(),
    state: text("state").$type<"proposed" | "rolling" | "running" | "superseded">().notNull(),
    digest: text("digest").notNull(),
    plan: text("plan").notNull(),
    templates: text("templates").notNull(),
    difference: jsonb("difference").$type<PlanDifference>().notNull(),
    created: time("created").notNull(),
    createdBy: text("created_by").notNull(),
    approvedBy: text("approved_by"),
    /** Variants of the nodes it was computed for. */
    variants: texts("variants").notNull().default([]),
  },
  (table) => [primaryKey({ columns: [table.pool, table.version] })],
);

/** How far a plan version has come in its pool. */
export const rollouts = pgTable("rollouts", {
  pool: text("pool")
    .primaryKey()
    .references(() => pools.name, { onDelete: "cascade" }),
  version: integer("version").notNull(),
  stage: text("stage").$type<"canary" | "share" | "all">().notNull(),
  state: text("state").$type<"rolling" | "halted" | "done">().notNull(),
  why: text("why"),
  canaries: texts("canaries").notNull(),
  started: time("started").notNull(),
  stageSince: time("stage_since").notNull(),
});

export const contracts = pgTable(
  "contracts",
  {
    digest: text("digest").primaryKey(),
    contract: text("contract").notNull(),
    arch: text("arch").notNull(),
    vendor: text("vendor"),
    class: text("class"),
    firecracker: text("firecracker").notNull(),
    plan: text("plan"),
    node: text("node").notNull(),
    reportedBy: text("reported_by").notNull(),
    created: time("created").notNull(),
  },
  (table) => [index("contracts_reported_by").on(table.reportedBy)],
);

/** The same findings stand behind many verdicts: each once. */
export const findings = pgTable("findings", {
  digest: text("digest").primaryKey(),
  findings: jsonb("findings").$type<readonly Finding[]>().notNull(),
});

export const verdicts = pgTable(
  "verdicts",
  {
    contract: text("contract")
      .notNull()
      .references(() => contracts.digest, { onDelete: "cascade" }),
    variant: text("variant")
      .notNull()
      .references(() => variants.id, { onDelete: "cascade" }),
    verdict: text("verdict").$type<Verdict>().notNull(),
    /** On nodes that apply the contract's own plan. */
    underPlan: text("under_plan").$type<Verdict>().notNull(),
    findings: text("findings")
      .notNull()
      .references(() => findings.digest),
    /** The version of the rules it was made with. */
    rules: text("rules").notNull(),
    /** Grows with each change of the index; under its lock, so that readers miss none. */
    revision: bigint("revision", { mode: "number" }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.contract, table.variant] }),
    index("verdicts_variant").on(table.variant),
    index("verdicts_revision").on(table.revision),
  ],
);

export const heldSnapshots = pgTable(
  "held_snapshots",
  {
    node: text("node")
      .notNull()
      .references(() => nodes.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    digest: text("digest").notNull(),
    kind: text("kind").$type<"template" | "sandbox">().notNull(),
    contract: text("contract")
      .notNull()
      .references(() => contracts.digest),
    memoryMib: integer("memory_mib").notNull(),
    bytes: bigint("bytes", { mode: "number" }).notNull(),
    parent: text("parent"),
    created: time("created").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.node, table.name] }),
    index("held_snapshots_digest").on(table.digest),
    index("held_snapshots_contract").on(table.contract),
  ],
);

/** What manifests say of snapshots: their digest is the snapshot's, so that nobody can say otherwise. */
export const manifests = pgTable(
  "manifests",
  {
    digest: text("digest").primaryKey(),
    kind: text("kind").$type<"template" | "sandbox">().notNull(),
    contract: text("contract")
      .notNull()
      .references(() => contracts.digest),
    memoryMib: integer("memory_mib").notNull(),
    bytes: bigint("bytes", { mode: "number" }).notNull(),
    parent: text("parent"),
    created: time("created").notNull(),
    reportedBy: text("reported_by").notNull(),
  },
  (table) => [index("manifests_reported_by").on(table.reportedBy)],
);

export const audit = pgTable("audit", {
  id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  time: time("time").notNull(),
  actor: text("actor").notNull(),
  action: text("action").notNull(),
  subject: text("subject").notNull(),
  data: jsonb("data").$type<Readonly<Record<string, unknown>>>().notNull(),
});

/** Answers by the caller's key: a request that is sent again gets the same answer. */
export const answers = pgTable(
  "answers",
  {
    actor: text("actor").notNull(),
    key: text("key").notNull(),
    request: text("request").notNull(),
    status: integer("status").notNull(),
    body: text("body").notNull(),
    created: time("created").notNull(),
  },
  (table) => [primaryKey({ columns: [table.actor, table.key] })],
);

export const sandboxes = pgTable(
  "sandboxes",
  {
    id: text("id").primaryKey(),
    node: text("node")
      .notNull()
      .references(() => nodes.id, { onDelete: "cascade" }),
    state: text("state").$type<SandboxState>().notNull(),
    /** What is under way; while it is, only its answer changes the sandbox. */
    work: text("work"),
    from: text("came_from"),
    snapshot: text("snapshot"),
    contract: text("contract"),
    memoryMib: integer("memory_mib").notNull(),
    onTimeout: text("on_timeout").$type<"kill" | "pause">().notNull(),
    labels: jsonb("labels").$type<Labels>().notNull(),
    error: text("error"),
    createdBy: text("created_by").notNull(),
    created: time("created").notNull(),
    updated: time("updated").notNull(),
  },
  (table) => [index("sandboxes_node").on(table.node)],
);

/** What nodes have to do, in order; kept for a day after it was done. */
export const work = pgTable(
  "work",
  {
    id: text("id").primaryKey(),
    number: bigint("number", { mode: "number" }).generatedAlwaysAsIdentity(),
    node: text("node")
      .notNull()
      .references(() => nodes.id, { onDelete: "cascade" }),
    sandbox: text("sandbox"),
    body: text("body").notNull(),
    state: text("state").$type<"queued" | "done" | "failed">().notNull(),
    /** Of the error, where it failed. */
    code: text("code"),
    message: text("message"),
    created: time("created").notNull(),
    finished: time("finished"),
  },
  (table) => [index("work_queued").on(table.node, table.number)],
);

/** Keys of E2B's API; a team is whoever has one of its keys. */
export const e2bKeys = pgTable("e2b_keys", {
  id: text("id").primaryKey(),
  team: text("team").notNull(),
  name: text("name").notNull(),
  hash: text("hash").notNull(),
  createdBy: text("created_by").notNull(),
  created: time("created").notNull(),
});

/** One row: what guests' access tokens are derived from. */
export const e2bSecrets = pgTable("e2b_secrets", {
  id: integer("id").primaryKey(),
  secret: text("secret").notNull(),
});

/** Sandboxes that were created by E2B's API, and what only it knows of them. */
export const e2bSandboxes = pgTable("e2b_sandboxes", {
  sandbox: text("sandbox")
    .primaryKey()
    .references(() => sandboxes.id, { onDelete: "cascade" }),
  team: text("team").notNull(),
  template: text("template").notNull(),
  metadata: jsonb("metadata").$type<Labels>().notNull(),
  allowInternet: boolean("allow_internet").notNull(),
  publicTraffic: boolean("public_traffic").notNull(),
  autoResume: boolean("auto_resume").notNull(),
  timeoutSeconds: integer("timeout_seconds").notNull(),
  started: time("started").notNull(),
  ends: time("ends").notNull(),
});

/** Who does what one server alone may do, until when, and the how many-th it is that does. */
export const leaders = pgTable("leaders", {
  duty: text("duty").primaryKey(),
  server: text("server").notNull(),
  epoch: bigint("epoch", { mode: "number" }).notNull(),
  until: time("until").notNull(),
});
