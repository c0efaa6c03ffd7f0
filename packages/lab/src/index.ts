/** The public face of `@evenkeel/lab`: a mixed pool on any machine, and the guest that tells how it fares. */
export { canaryInitramfs, canaryProgram, canaryRows } from "./canary/canary.ts";
export { LAB_ERRORS, LabError, type LabErrorCode } from "./errors.ts";
export { runLab, type LabOptions, type LabPool } from "./lab.ts";
export { parseNodes, type LabNode } from "./node.ts";
export type { Died, Outcome } from "./outcome.ts";
export {
  figuresOf,
  isAsPredicted,
  type Figures,
  type InsideView,
  type LabGrid,
  type LabPair,
  type LabResult,
} from "./result.ts";
