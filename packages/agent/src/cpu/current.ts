/** What shapes cold boots now: the agent's own shape, or what its fleet has decided. */
import { AgentError } from "../errors.ts";
import type { CpuShape } from "./shape.ts";

export type ColdBoots =
  /** The agent's own shape: the node is in no pool, or in no fleet. */
  | { readonly kind: "own" }
  | { readonly kind: "plan"; readonly shape: CpuShape }
  /** The host's own CPU, although the pool should have a plan: the pool allows it. */
  | { readonly kind: "unplanned"; readonly why: string }
  | { readonly kind: "refused"; readonly why: string };

export interface CurrentShape {
  /** Where this comes from, for verdicts and for display. */
  now(): CpuShape;
  state(): ColdBoots;
  set(state: ColdBoots): void;
}

export function currentShape(own: CpuShape): CurrentShape {
  let current: ColdBoots = { kind: "own" };
  return {
    now: () => (current.kind === "plan" ? current.shape : own),
    state: () => current,
    set: (state) => {
      current = state;
    },
  };
}

/** Of a cold boot that names no CPU of its own. */
export interface BootShape {
  readonly shape: CpuShape;
  /** Why the pool's plan does not shape it; undefined if it does, or if there should be none. */
  readonly unplanned?: string;
}

/** Throws NO_PLAN. */
export function shapeForBoot(shapes: CurrentShape): BootShape {
  const state = shapes.state();
  if (state.kind === "refused") throw new AgentError("NO_PLAN", state.why);
  const shape = shapes.now();
  return state.kind === "unplanned" ? { shape, unplanned: state.why } : { shape };
}
