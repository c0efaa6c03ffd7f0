/** What a report is made of. */
import type { Result } from "../read/result.ts";
import type { PlanDocument } from "../read/schemas.ts";
import type { MatrixView } from "./matrix.ts";
import type { Joint } from "./merge-tree.ts";

/** Everything that follows from profiles. */
export interface PoolPart {
  readonly kind: "pool";
  readonly before: MatrixView | undefined;
  /** With the plans' templates. */
  readonly after: MatrixView | undefined;
  /** One per pool; several where the classes cannot share one. */
  readonly plans: readonly PlanDocument[];
  readonly tree: readonly Joint[];
  /** Why there is no plan. */
  readonly refusals: readonly { readonly message: string; readonly hint: string }[];
}

export interface MatrixPart {
  readonly kind: "matrix";
  readonly view: MatrixView;
  /** How guests were shaped: `Without a template`. */
  readonly how: string;
}

type ResultPart = Exclude<Result, { readonly kind: "matrix" }>;
export type ReportPart = PoolPart | MatrixPart | ResultPart;
