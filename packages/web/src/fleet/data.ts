/** What the pages of a fleet show: the answers of its public API. */
import type {
  Compatibility,
  Drifts,
  FleetSandbox,
  MergeTreeView,
  NodeView,
  Overview,
  Placement,
  PlanVersion,
  PoolView,
  RolloutView,
  SandboxState,
  Simulation,
  SnapshotDetail,
} from "@evenkeel/api";

export interface SnapshotRow {
  readonly name: string;
  readonly digest: string;
  readonly kind: string;
  readonly contract: string;
  readonly memoryMib: number;
  readonly bytes: number;
  readonly nodes: readonly string[];
  /** Nodes that the verdict allows. */
  readonly resumable: number;
  readonly created: string;
}

export interface AuditRow {
  readonly time: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface ChangeRow {
  readonly time: string;
  readonly class: string | null;
  readonly kernel: string | null;
  readonly microcode: string | null;
  readonly bios: string | null;
  readonly firecracker: readonly string[];
  readonly drift: string | null;
  readonly reasons: readonly string[];
}

/** A page of a long list. */
export interface Listed<T> {
  readonly rows: readonly T[];
  /** Those that match the search, shown or not. */
  readonly matching: number;
  readonly all: number;
  /** From 1. */
  readonly page: number;
  readonly pages: number;
}

type ClassSize = Pick<Overview["classes"][number], "class" | "nodes" | "open" | "room">;

/** A change as its address names it; empty texts where nothing was chosen. */
export interface ChangeForm {
  readonly remove: string;
  readonly firecracker: string;
  readonly with: string;
  readonly pool: string;
}

interface Pages {
  readonly overview: {
    readonly overview: Overview;
    readonly pools: readonly PoolView[];
    readonly audit: readonly AuditRow[];
  };
  readonly compatibility: {
    readonly compatibility: Compatibility;
    /** Whose findings are asked for, such as `3-7`; empty where nothing is. */
    readonly cell: string;
  };
  readonly pools: { readonly pools: readonly PoolView[] };
  readonly pool: {
    readonly pool: PoolView;
    readonly plans: readonly PlanVersion[];
    /** `plan.json` of the version that is running, else of the newest; undefined: there is none. */
    readonly plan: unknown;
    readonly shown: number | undefined;
    readonly tree: MergeTreeView;
    /** How many pools the cut leaves. */
    readonly cut: number;
  };
  readonly rollout: {
    readonly rollout: RolloutView;
    readonly plans: readonly PlanVersion[];
    readonly events: readonly AuditRow[];
  };
  readonly change: {
    readonly form: ChangeForm;
    readonly classes: readonly { readonly class: string; readonly nodes: number }[];
    readonly pools: readonly string[];
    /** Undefined where nothing was chosen, or the change makes no sense. */
    readonly simulation: Simulation | undefined;
    readonly problem: string | undefined;
  };
  readonly drift: { readonly drifts: Drifts; readonly contracts: number };
  readonly nodes: {
    readonly nodes: Listed<NodeView>;
    readonly classes: readonly ClassSize[];
    readonly search: string;
  };
  readonly node: { readonly node: NodeView; readonly history: readonly ChangeRow[] };
  readonly snapshots: { readonly snapshots: Listed<SnapshotRow>; readonly search: string };
  readonly snapshot: {
    readonly snapshot: SnapshotRow;
    readonly placement: Placement;
    readonly detail: SnapshotDetail;
  };
  readonly sandboxes: {
    readonly sandboxes: Listed<FleetSandbox>;
    readonly states: Readonly<Partial<Record<SandboxState, number>>>;
    readonly search: string;
  };
  readonly sandbox: {
    readonly sandbox: FleetSandbox;
    readonly events: readonly AuditRow[];
  };
  readonly "sign-in": { readonly to: string; readonly refused: boolean };
  readonly error: { readonly message: string; readonly hint: string };
}

export type PageName = keyof Pages;
export type PageOf<K extends PageName> = { readonly page: K } & Pages[K];
/** A page, and what it shows. */
export type FleetPage = { readonly [K in PageName]: PageOf<K> }[PageName];

/**
 * How a change's outcome begins. What comes before it is sent at once: a simulation of a large fleet
 * takes its time.
 */
export const OUTCOME = '<div id="outcome">';
