/** All migrations, in order; number n is applied after n - 1. They only go forward. */
import { FLEET } from "./0001-fleet.ts";
import { BOUNDS } from "./0002-bounds.ts";
import { ROLLOUTS } from "./0003-rollouts.ts";
import { SANDBOXES } from "./0004-sandboxes.ts";
import { E2B } from "./0005-e2b.ts";
import { LEADERS } from "./0006-leaders.ts";

export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  { name: "fleet", sql: FLEET },
  { name: "bounds", sql: BOUNDS },
  { name: "rollouts", sql: ROLLOUTS },
  { name: "sandboxes", sql: SANDBOXES },
  { name: "e2b", sql: E2B },
  { name: "leaders", sql: LEADERS },
];
