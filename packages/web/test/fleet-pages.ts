/** Every page of a fleet, with one text in all places that strangers write. */
import type { NodeView, PlanVersion, PoolView } from "@evenkeel/api";
import type { FleetPage, Listed } from "../src/index.ts";
import { PLAN, TREE } from "./documents.ts";

const TIME = "2026-01-01T00:00:00.000Z";

function listed<T>(rows: readonly T[]): Listed<T> {
  return { rows, matching: 1000, all: 1000, page: 2, pages: 5 };
}

function nodeOf(text: string): NodeView {
  return {
    id: "n-aaaaaaaaaaaaaaaa",
    name: text,
    state: "ready",
    held: text,
    cordoned: false,
    class: text,
    variant: text,
    labels: { [text]: text },
    pool: text,
    plan: { pool: text, version: 1, digest: text },
    planError: text,
    capacity: { sandboxes: 1, maxSandboxes: 2, memoryMib: 1, maxMemoryMib: 2 },
    profile: text,
    firecracker: [text],
    kernel: text,
    microcode: text,
    joined: TIME,
    seen: TIME,
    certificateExpires: TIME,
  };
}

function poolOf(text: string): PoolView {
  return {
    name: text,
    selector: { [text]: text },
    strategy: "spread",
    unplanned: "refuse",
    nodes: [text],
    running: 1,
    applied: 0,
    rollout: { version: 2, stage: "canary", state: "halted", why: text, started: TIME },
    created: TIME,
  };
}

function planOf(text: string): PlanVersion {
  return {
    pool: text,
    version: 2,
    state: "proposed",
    digest: text,
    created: TIME,
    createdBy: text,
    approvedBy: text,
    features: 1,
    classes: [text],
    difference: {
      from: 1,
      gained: [text],
      lost: [text],
      classesAdded: [text],
      classesRemoved: [text],
      templatesChanged: [text],
      firecrackerAdded: [text],
      firecrackerRemoved: [text],
      identity: null,
      contractsAffected: [text],
    },
  };
}

const ROOM = { sandboxes: 10, memoryMib: 10 };

function overviewOf(text: string) {
  const named = { count: 2, names: [text] };
  const share = {
    class: text,
    arch: text,
    nodes: 2,
    open: 1,
    kernels: [text],
    serves: 1,
    room: ROOM,
    left: { sandboxes: -1, memoryMib: 0 },
    alone: 1,
  };
  return {
    nodes: { all: 2, ready: 1, suspect: 0, lost: 1, held: 1, cordoned: 1 },
    contracts: 2,
    snapshots: { all: 4, stranded: named, single: named, oneClass: named },
    used: ROOM,
    room: ROOM,
    classes: [share, { ...share, class: `${text}2`, alone: 0, left: ROOM }],
  };
}

function findingsOf(text: string) {
  const severity = "incompatible" as const;
  return [{ severity, rule: text, address: text, name: text, consequence: text }];
}

function changePages(text: string): FleetPage[] {
  const some = [{ digest: text, name: text }];
  const tally = { compatible: 1, insecure: 0, incompatible: 0, unknown: 0 };
  const obstacles = [
    { verdict: "incompatible" as const, rule: text, name: text, address: text, nodes: 1 },
  ];
  const contract = { contract: text, snapshots: some, before: tally, after: tally, open: 1 };
  const rest = { classes: [{ class: text, nodes: 1 }], room: ROOM, lastClass: text, obstacles };
  const fates = ["kept", "stranded", "waiting", "already", "regained"] as const;
  const form = { remove: text, firecracker: text, with: text, pool: text };
  const classes = [{ class: text, nodes: 2 }];
  const page = { page: "change", form, classes, pools: [text] } as const;
  const simulation = {
    nodesBefore: 2,
    nodesAfter: 1,
    count: 1,
    stranded: some,
    unknown: some,
    filesLost: some,
    waiting: some,
    alreadyStranded: some,
    regained: some,
    kept: 3,
    contracts: fates.map((fate) => ({ ...contract, ...rest, fate })),
    plan: {
      gained: [text],
      lost: [text],
      classesAdded: [text],
      classesRemoved: [text],
      firecrackerAdded: [text],
      firecrackerRemoved: [text],
      unplanned: [text],
      refusals: [{ code: text, message: text, hint: text }],
    },
  };
  return [
    { ...page, simulation, problem: undefined },
    { ...page, simulation: undefined, problem: text },
  ];
}

function snapshotPages(text: string): FleetPage[] {
  const snapshot = {
    name: text,
    digest: text,
    kind: text,
    contract: text,
    memoryMib: 1,
    bytes: 1,
    nodes: [text],
    resumable: 1,
    created: TIME,
  };
  const placement = {
    contract: text,
    nodes: [],
    considered: 2,
    eligible: 0,
    filters: [{ filter: "verdict" as const, nodes: 2 }],
    obstacles: [
      { verdict: "incompatible" as const, rule: text, name: text, address: text, nodes: 1 },
    ],
    waysOut: [text],
  };
  const kind = { class: text, kernel: text, nodes: 1, verdict: "incompatible" as const };
  const detail = {
    digest: text,
    verdicts: [{ ...kind, findings: findingsOf(text) }],
    ancestors: [
      { digest: text, name: text },
      { digest: `${text}2`, name: null },
    ],
    children: [{ digest: text, name: text }],
    sandboxes: [text],
    overrides: [{ time: TIME, actor: text, subject: text, node: text, accept: text, reason: text }],
  };
  return [
    { page: "snapshots", snapshots: listed([snapshot]), search: text },
    { page: "snapshot", snapshot, placement, detail },
  ];
}

function sandboxPages(text: string): FleetPage[] {
  const sandbox = {
    id: text,
    node: text,
    state: "failed" as const,
    from: text,
    snapshot: text,
    contract: text,
    memoryMib: 1,
    labels: { [text]: text },
    error: text,
    created: TIME,
    updated: TIME,
    createdBy: text,
  };
  const states = { failed: 1, running: 2 };
  return [
    { page: "sandboxes", sandboxes: listed([sandbox]), states, search: text },
    { page: "sandbox", sandbox, events: eventsOf(text) },
  ];
}

function eventsOf(text: string) {
  const actions = ["node.changed", "sandbox.created", "rollout.halted", text];
  return actions.map((action) => ({
    time: TIME,
    actor: text,
    action,
    subject: text,
    data: { [text]: text, more: { text } },
  }));
}

function nodePages(text: string): FleetPage[] {
  const facts = { kernel: text, microcode: text, bios: text, firecracker: [text] };
  const change = {
    class: text,
    to: `${text}2`,
    first: TIME,
    last: TIME,
    drift: text,
    reasons: [text],
    nodes: { count: 9, names: [text] },
    before: facts,
    after: { ...facts, kernel: `${text}2` },
    served: { before: 2, after: 1 },
  };
  const { classes } = overviewOf(text);
  const history = [{ time: TIME, class: text, ...facts, drift: text, reasons: [text] }];
  return [
    { page: "nodes", nodes: listed([nodeOf(text)]), classes, search: text },
    { page: "node", node: nodeOf(text), history },
    { page: "drift", drifts: { changes: [change], more: true }, contracts: 2 },
  ];
}

function poolPages(text: string): FleetPage[] {
  const [joint] = TREE;
  if (joint === undefined) throw new Error("no joint");
  const tree = [{ ...joint, left: [text], right: [`${text}2`], leftLoses: [text] }];
  const plans = [planOf(text)];
  const merged = { classes: [text, `${text}2`], tree, refused: [text] };
  const node = { node: text, class: text, wave: "canary" as const, error: text };
  const checks = ["refused", "away", "waiting", "applied", "untold"] as const;
  const rollout = {
    pool: text,
    version: 2,
    before: 1,
    stage: "canary" as const,
    state: "halted" as const,
    why: text,
    started: TIME,
    stageSince: TIME,
    nodes: checks.map((check) => ({ ...node, check })),
  };
  return [
    { page: "pools", pools: [poolOf(text)] },
    { page: "pool", pool: poolOf(text), plans, plan: PLAN, shown: 1, tree: merged, cut: 1 },
    { page: "rollout", rollout, plans, events: eventsOf(text) },
  ];
}

export function pagesWith(text: string): FleetPage[] {
  const group = { label: text, nodes: [text] };
  const move = { from: text, to: text, verdict: "incompatible" as const };
  const moves = [{ ...move, findings: findingsOf(text) }];
  return [
    { page: "overview", overview: overviewOf(text), pools: [poolOf(text)], audit: eventsOf(text) },
    {
      page: "compatibility",
      cell: text,
      compatibility: { classes: [group], from: [group], moves, hidden: 3 },
    },
    ...poolPages(text),
    ...changePages(text),
    ...nodePages(text),
    ...snapshotPages(text),
    ...sandboxPages(text),
    { page: "sign-in", to: text, refused: true },
    { page: "error", message: text, hint: text },
  ];
}
