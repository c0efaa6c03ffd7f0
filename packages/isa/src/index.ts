/** The public face of `@evenkeel/isa`: instructions, the features they need, crashes explained. */
export { ISA_ERRORS, IsaError, type IsaErrorCode } from "./errors.ts";
export {
  requirementsOf,
  type Privilege,
  type Requirements,
  type WithoutFeature,
} from "./features/requirements.ts";
export { enablementOf, type Enablement } from "./features/enablement.ts";
export {
  judgeFiles,
  OUTCOMES,
  type FileJudgement,
  type Member,
  type Outcome,
  type Pool,
  type Reason,
} from "./scan/judge.ts";
export type { FeatureUse, FileScan, Question, Skipped } from "./scan/result.ts";
export { scanAll, type Progress, type Scans } from "./scan/scan-all.ts";
