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
export { printable } from "./image/entry.ts";
export type { FeatureUse, FileScan, Question, Skipped } from "./scan/result.ts";
export { narrowingFor, settingsFor, type Narrowing, type Setting } from "./switches/narrow.ts";
export { scanAll, type Progress, type Scans } from "./scan/scan-all.ts";
export type { Binary } from "./crash/binary.ts";
export type { Cause } from "./crash/cause.ts";
export type { CrashContext } from "./crash/context.ts";
export type { Evidence, FeatureEvidence, Holders } from "./crash/evidence.ts";
export {
  explainBytes,
  explainCore,
  explainCrash,
  type CoreNeeds,
  type CrashFacts,
  type ExplainedCrash,
  type Explanation,
} from "./crash/explain.ts";
export { decodeAt, type Decoded, type DecodedInstruction } from "./crash/instruction.ts";
export { plainName } from "./crash/symbol-name.ts";
export { summarizeCrash } from "./crash/summary.ts";
export { bytesOf, openBytes } from "./elf/bytes.ts";
export { readElf } from "./elf/file.ts";
export { isElf } from "./elf/header.ts";
