/** What the pages of a fleet show: the answers of its public API. */
import type { NodeView, Placement, PlanVersion, PoolView } from "@evenkeel/api";
import type { MatrixView } from "../view/matrix.ts";

interface ClassRow {
  readonly class: string;
  readonly arch: string;
  readonly nodes: number;
  readonly variants: readonly { readonly kernel: string | null; readonly serves: number }[];
}

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

interface AuditRow {
  readonly time: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
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

/** A page, and what it shows. */
export type FleetPage =
  | {
      readonly page: "overview";
      readonly nodes: readonly NodeView[];
      readonly classes: readonly ClassRow[];
      readonly contracts: number;
      readonly snapshots: readonly SnapshotRow[];
      readonly pools: readonly PoolView[];
      readonly audit: readonly AuditRow[];
    }
  | { readonly page: "compatibility"; readonly view: MatrixView; readonly hidden: number }
  | { readonly page: "pools"; readonly pools: readonly PoolView[] }
  | {
      readonly page: "pool";
      readonly pool: PoolView;
      readonly plans: readonly PlanVersion[];
      /** `plan.json` of the version that is running, else of the newest; undefined: there is none. */
      readonly plan: unknown;
      readonly shown: number | undefined;
    }
  | { readonly page: "nodes"; readonly nodes: readonly NodeView[]; readonly search: string }
  | { readonly page: "node"; readonly node: NodeView; readonly history: readonly ChangeRow[] }
  | {
      readonly page: "snapshots";
      readonly snapshots: readonly SnapshotRow[];
      readonly search: string;
    }
  | {
      readonly page: "snapshot";
      readonly snapshot: SnapshotRow;
      readonly placement: Placement;
    }
  | { readonly page: "sign-in"; readonly to: string; readonly refused: boolean }
  | { readonly page: "error"; readonly message: string; readonly hint: string };
