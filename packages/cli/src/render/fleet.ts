/** The fleet as tables, kubectl's way. */
import type { NodeView, Placement, PlanVersion, PoolView } from "@evenkeel/api";
import type { ListKind } from "../fleet/lists.ts";
import { labelled, plural, table } from "./layout.ts";

type Row = Readonly<Record<string, unknown>>;

interface Shape {
  readonly head: readonly string[];
  /** Rows as the API describes them, one type per kind. */
  readonly cells: (row: never) => readonly string[];
  /** What a name on the command line is compared with. */
  readonly name: string;
}

function shape(name: string, head: string, cells: Shape["cells"]): Shape {
  return { name, head: head.split(" "), cells };
}

function labels(all: Readonly<Record<string, string>>): string {
  const list = Object.entries(all).map(([key, value]) => `${key}=${value}`);
  return list.length === 0 ? "<none>" : list.join(",");
}

function orNone(value: string | number | null): string {
  return value === null ? "<none>" : String(value);
}

/** Not `3 of 10`, which would be several words in a column. */
function share(taken: number, all: number): string {
  return `${taken}/${all}`;
}

function stateOf({ state, held, cordoned }: NodeView): string {
  return [state, ...(held === null ? [] : ["held"]), ...(cordoned ? ["cordoned"] : [])].join(",");
}

/** `2:share`, `2:halted`. */
function rolloutText(rollout: PoolView["rollout"]): string {
  if (rollout === null || rollout.state === "done") return "<none>";
  const { version, stage, state } = rollout;
  return `${version}:${state === "halted" ? state : stage}`;
}

interface ClassRow {
  readonly class: string;
  readonly nodes: number;
  readonly since: string;
  readonly variants: readonly { readonly serves: number }[];
}

interface ContractRow {
  readonly digest: string;
  readonly class: string | null;
  readonly firecracker: string;
  readonly snapshots: number;
  readonly verdicts: Readonly<Record<string, number>>;
}

interface SnapshotRow {
  readonly name: string;
  readonly kind: string;
  readonly digest: string;
  readonly contract: string;
  readonly nodes: readonly string[];
  readonly resumable: number;
}

interface TokenRow {
  readonly name: string;
  readonly role: string;
  readonly created: string;
  readonly createdBy: string;
}

interface AuditRow {
  readonly time: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
}

/** Enough of a digest to tell it from others; `--json` has all of it. */
function short(digest: string): string {
  return digest.slice(0, 12);
}

const SHAPES: Readonly<Record<ListKind, Shape>> = {
  nodes: shape("name", "NAME STATE CLASS POOL PLAN SANDBOXES MEMORY-MIB", (node: NodeView) => [
    node.name,
    stateOf(node),
    orNone(node.class),
    orNone(node.pool),
    node.planError === null ? orNone(node.plan?.version ?? null) : "error",
    share(node.capacity.sandboxes, node.capacity.maxSandboxes),
    share(node.capacity.memoryMib, node.capacity.maxMemoryMib),
  ]),
  classes: shape("class", "CLASS NODES VARIANTS SERVES SINCE", (row: ClassRow) => [
    row.class,
    String(row.nodes),
    String(row.variants.length),
    row.variants.map(({ serves }) => serves).join(","),
    row.since,
  ]),
  pools: shape("name", "NAME SELECTOR NODES PLAN APPLIED ROLLOUT STRATEGY", (pool: PoolView) => [
    pool.name,
    labels(pool.selector),
    String(pool.nodes.length),
    orNone(pool.running),
    share(pool.applied, pool.nodes.length),
    rolloutText(pool.rollout),
    pool.strategy,
  ]),
  plans: shape("pool", "POOL VERSION STATE FEATURES CLASSES GAINED LOST", (plan: PlanVersion) => [
    plan.pool,
    String(plan.version),
    plan.state,
    String(plan.features),
    String(plan.classes.length),
    String(plan.difference.gained.length),
    String(plan.difference.lost.length),
  ]),
  contracts: shape(
    "digest",
    "DIGEST CLASS FIRECRACKER SNAPSHOTS COMPATIBLE-NODES",
    (row: ContractRow) => [
      short(row.digest),
      orNone(row.class),
      row.firecracker,
      String(row.snapshots),
      String(row.verdicts["compatible"] ?? 0),
    ],
  ),
  snapshots: shape(
    "name",
    "NAME KIND DIGEST CONTRACT HELD-BY COMPATIBLE-NODES",
    (row: SnapshotRow) => [
      row.name,
      row.kind,
      short(row.digest),
      short(row.contract),
      row.nodes.join(","),
      String(row.resumable),
    ],
  ),
  tokens: shape("name", "NAME ROLE CREATED BY", (row: TokenRow) => [
    row.name,
    row.role,
    row.created,
    row.createdBy,
  ]),
  audit: shape("subject", "TIME WHO ACTION SUBJECT", (row: AuditRow) => [
    row.time,
    row.actor,
    row.action,
    row.subject,
  ]),
};

/** What `-o wide` adds. */
const WIDE: Readonly<Partial<Record<ListKind, Shape>>> = {
  nodes: shape("name", "KERNEL MICROCODE FIRECRACKER LABELS", (node: NodeView) => [
    orNone(node.kernel),
    orNone(node.microcode),
    node.firecracker.join(","),
    labels(node.labels),
  ]),
  contracts: shape("digest", "CONTRACT", (row: ContractRow) => [row.digest]),
  snapshots: shape("name", "SNAPSHOT", (row: SnapshotRow) => [row.digest]),
};

/** The answer's list; the audit log calls its own `entries`. */
function rowsIn(kind: ListKind, answer: unknown): readonly Row[] {
  const lists = answer as Readonly<Record<string, readonly Row[]>>;
  return lists[kind === "audit" ? "entries" : kind] ?? [];
}

/** The rows of a list, or those of one name. */
export function rowsOf(kind: ListKind, answer: unknown, only: string | undefined): readonly Row[] {
  const { name } = SHAPES[kind];
  return rowsIn(kind, answer).filter((row) => only === undefined || row[name] === only);
}

/** A row's name: `node/a`. */
export function nameOf(kind: ListKind, row: Row): string {
  const one = kind === "audit" ? kind : kind.replace(/(?<=ss)es$|s$/, "");
  return `${one}/${String(row[SHAPES[kind].name])}`;
}

/** `head`: whether the columns are named. */
export function listText(
  kind: ListKind,
  rows: readonly Row[],
  { wide = false, head = true }: { readonly wide?: boolean; readonly head?: boolean } = {},
): string {
  if (rows.length === 0) return head ? `no ${kind}\n` : "";
  const { head: columns, cells } = SHAPES[kind];
  const more = wide ? WIDE[kind] : undefined;
  const lines = table(
    [...columns, ...(more?.head ?? [])],
    rows.map((row) => [...cells(row as never), ...(more?.cells(row as never) ?? [])]),
  );
  return `${(head ? lines : lines.slice(1)).join("\n")}\n`;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function valueText(value: unknown): string[] {
  if (value === null) return ["<none>"];
  if (Array.isArray(value)) {
    const list = value as readonly unknown[];
    if (list.length === 0) return ["<none>"];
    return list.map(textOf);
  }
  if (typeof value === "object")
    return Object.keys(value).length === 0 ? ["<none>"] : [labelsOf(value)];
  return [textOf(value)];
}

function labelsOf(value: object): string {
  return Object.entries(value)
    .map(([key, one]) => `${key}=${textOf(one)}`)
    .join(", ");
}

/** Every member on a line of its own; what is long stays in `--json`. */
export function describeText(answer: object): string {
  const rows = Object.entries(answer).filter(([key]) => key !== "templates" && key !== "plan");
  const width = Math.max(...rows.map(([key]) => key.length)) + 2;
  const plan = (answer as { plan?: unknown }).plan;
  const lines = rows.flatMap(([key, value]) => labelled(`${key}:`, valueText(value), 0, width + 1));
  const reference = plan !== null && typeof plan === "object" && "digest" in plan;
  const more = reference ? labelled("plan:", [labelsOf(plan)], 0, width + 1) : [];
  return `${[...lines, ...more].join("\n")}\n`;
}

function listed(label: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : labelled(`${label}:`, names, 2, 24);
}

/** What a version is, and what it changes. */
export function planText({
  pool,
  version,
  state,
  digest,
  features,
  classes,
  difference,
}: PlanVersion) {
  const { from, identity } = difference;
  const against = from === null ? "the first version" : `compared with version ${from}`;
  const lines = [
    `${pool} version ${version} (${state}): ${plural(features, "feature")}, ` +
      `${plural(classes.length, "class")}, ${against}`,
    ...listed("guests gain", difference.gained),
    ...listed("guests lose", difference.lost),
    ...listed("classes added", difference.classesAdded),
    ...listed("classes removed", difference.classesRemoved),
    ...listed("templates changed", difference.templatesChanged),
    ...listed("Firecracker added", difference.firecrackerAdded),
    ...listed("Firecracker removed", difference.firecrackerRemoved),
    ...(identity === null
      ? []
      : listed("identity", [`${orNone(identity.from)} → ${orNone(identity.to)}`])),
    ...listed("contracts affected", difference.contractsAffected.map(short)),
  ];
  const next =
    state === "proposed"
      ? [`approve it: evenkeel fleet approve ${pool} ${version} ${short(digest)}`]
      : [];
  return `${[...lines, ...next].join("\n")}\n`;
}

const SHOWN = 12;

export function placementText(placement: Placement): string {
  const { nodes, considered, eligible, filters, obstacles, waysOut } = placement;
  const taken = filters.map(({ filter, nodes: count }) => `${filter} ${count}`).join(", ");
  const lines = [
    `${eligible} of ${plural(considered, "node")} can run it` +
      (taken === "" ? "" : `; filtered: ${taken}`),
  ];
  if (nodes.length > 0) {
    const rows = nodes.map((node) => [
      node.name,
      orNone(node.class),
      node.holdsFiles ? "yes" : "no",
      String(node.freeSandboxes),
      String(node.freeMemoryMib),
    ]);
    lines.push(...table(["NAME", "CLASS", "HOLDS-FILES", "FREE", "FREE-MIB"], rows));
  }
  for (const { verdict, name, address, nodes: count } of obstacles.slice(0, SHOWN)) {
    const where = address === "" ? "" : ` (${address})`;
    lines.push(`  ${verdict} on ${plural(count, "node")}: ${name}${where}`);
  }
  if (obstacles.length > SHOWN) lines.push(`  … and ${obstacles.length - SHOWN} more`);
  lines.push(...waysOut.map((way) => `  way out: ${way}`));
  return `${lines.join("\n")}\n`;
}
