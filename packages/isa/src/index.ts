/** The public face of `@evenkeel/isa`: instructions, the features they need, crashes explained. */
export { ISA_ERRORS, IsaError, type IsaErrorCode } from "./errors.ts";
export {
  requirementsOf,
  type Privilege,
  type Requirements,
  type WithoutFeature,
} from "./features/requirements.ts";
export { enablementOf, type Enablement } from "./features/enablement.ts";
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
export { summarizeCrash } from "./crash/summary.ts";
export { bytesOf, openBytes } from "./elf/bytes.ts";
export { readElf } from "./elf/file.ts";
export { isElf } from "./elf/header.ts";
