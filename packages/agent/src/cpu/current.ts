/** What shapes cold boots now: the agent's own shape, or that of a plan its fleet tells it to use. */
import type { CpuShape } from "./shape.ts";

export interface CurrentShape {
  now(): CpuShape;
  /** Undefined: the agent's own. */
  set(shape: CpuShape | undefined): void;
}

export function currentShape(own: CpuShape): CurrentShape {
  let current = own;
  return {
    now: () => current,
    set: (shape) => {
      current = shape ?? own;
    },
  };
}
