/** The public face of `@evenkeel/core`: pure functions over profiles, templates and plans. */
export type { ArmGivenUp } from "./arm/costs.ts";
export type { ArmGuest } from "./arm/guest.ts";
export { armModelText } from "./arm/models.ts";
export type { ArmPlannedClass } from "./arm/plan-arm.ts";
export type { ArmRegister, CpuidEntry, MsrValue } from "./cpuid.ts";
export { entryKey, indexEntries, REGISTERS, SIGNIFICANT_INDEX, type Register } from "./cpuid.ts";
export {
  CORE_ERRORS,
  CoreError,
  formatProblem,
  notComparable,
  type CoreErrorCode,
  type Problem,
} from "./errors.ts";
export { isDumpedMsr } from "./firecracker/dumped-msrs.ts";
export { ALL_LINES, compareLines, formatLines, knownLine } from "./firecracker/versions.ts";
export { fieldAddress, hexNumber, registerAddress } from "./format/address.ts";
export { prettyJson } from "./json/pretty.ts";
export { compareText, listOf } from "./format/text.ts";
export {
  classOffersFeature,
  offersFeature,
  planHasFeature,
  promisesFeature,
  type Answer,
} from "./inspect/answers.ts";
export type { CpuState, DecodedField } from "./inspect/decode.ts";
export { changedFields } from "./inspect/enforcement.ts";
export { decodeTemplate, type TemplateField } from "./inspect/decode-template.ts";
export { diffArm, diffCpus, diffTemplates, type Difference } from "./inspect/diff.ts";
export {
  contractFields,
  planFields,
  profileFields,
  registersOfPlan,
  stateOfContract,
  stateOfPlan,
  stateOfProfile,
} from "./inspect/state.ts";
export type { Reason } from "./plan/close.ts";
export { compareStaticTemplates, type StaticComparison } from "./plan/compare-static.ts";
export type { GivenUp } from "./plan/costs.ts";
export { planToJson } from "./plan/file.ts";
export { findPlannedClass, type ClassMatch } from "./plan/find-class.ts";
export { parseIdentity, type IdentityPolicy } from "./plan/identity.ts";
export type { GuestCpu } from "./plan/guest.ts";
export type { Plan, PlannedClass, PlanOptions, PlanResult } from "./plan/plan.ts";
export {
  anyPlanToJson,
  planAny,
  type AnyPlan,
  type AnyPlanResult,
  type JudgedArmPlan,
} from "./plan/plan-any.ts";
export { honourAccepted, isAccepted, type Accepted } from "./plan/accepted.ts";
export { isBeyondTemplates, type Accept, type PlanMoves } from "./plan/moves.ts";
export { planPools, type PlannedPools } from "./plan/pools.ts";
export { parseFeatures } from "./plan/shape.ts";
export type { Join } from "./plan/split.ts";
export type { Refusal } from "./plan/refuse.ts";
export { classId, modelName } from "./profile/class.ts";
export {
  ignoresTemplates,
  type ChangedWord,
  type Enforcement,
  type KvmFacts,
  type TakenField,
} from "./profile/kvm-facts.ts";
export {
  PROFILE_SCHEMA,
  type Arch,
  type HostFacts,
  type NodeProfile,
  type OfferedCpu,
  type TscFacts,
} from "./profile/profile.ts";
export { changedMembers } from "./profile/changes.ts";
export { withoutCpuNumber } from "./profile/which-cpu.ts";
export { isFingerprintHeader, readFingerprintHeader } from "./read/dump.ts";
export {
  profileOf,
  readDocument,
  readProfile,
  templateOf,
  type Document,
} from "./read/document.ts";
export { readText, type ReadOptions } from "./read/text.ts";
export { driftOf, type Drift, type DriftOutcome } from "./drift/drift.ts";
export { staleHost, staleProfile, type Staleness } from "./drift/stale.ts";
export type { PlannedDrift, PlannedNode } from "./drift/planned.ts";
export { parseJson } from "./json/parse.ts";
export { compareSeen, type PlannedDifference } from "./plan/compare-seen.ts";
export type { PlanFile, PlanFileClass } from "./read/plan.ts";
export { readProfileHeader } from "./read/profile.ts";
export { GROUP_ORDER, UNCOUNTED_GROUPS } from "./tables/groups.ts";
export type { CpuidField, MsrField } from "./tables/field.ts";
export { CPUID_FIELDS, cpuidFields, fieldByName, fieldInfo } from "./tables/lookup.ts";
export { fieldByForeignName } from "./tables/names.ts";
export { applyTemplate } from "./template/apply.ts";
export { LEVELS, levelOf } from "./tables/levels.ts";
export { decodeSignature, formatFms } from "./tables/models.ts";
export { applyBitmap32 } from "./template/bitmap.ts";
export { formatTemplate } from "./template/format.ts";
export { parseTemplate } from "./template/parse.ts";
export { EMPTY_TEMPLATE, templateArch, type CpuTemplate } from "./template/template.ts";
export { CATALOGUE, requireCatalogueProfile } from "./catalogue/index.ts";
export { guestCpuOf } from "./catalogue/guest.ts";
export { INTEL_MODELS, type IntelModelId } from "./catalogue/intel.ts";
export { CATALOGUE_KERNELS, onKernel } from "./catalogue/kernels.ts";
export type { Caches } from "./catalogue/model.ts";
export { formatProfile, profileToJson } from "./read/profile.ts";
export { simulate } from "./firecracker/simulate.ts";
export { checkTemplate, type TemplateFinding } from "./firecracker/check-template.ts";
export type { CpuContract } from "./contract/contract.ts";
export { contractToJson } from "./contract/file.ts";
export { predictContract, type ContractResult } from "./contract/make.ts";
export { buildStaticTemplate } from "./firecracker/static-build.ts";
export {
  isAcceptedOn,
  staticTemplateRow,
  type StaticTemplate,
} from "./firecracker/static-templates.ts";
export {
  knownVersions,
  loadingVersion,
  newestVersion,
  snapshotFormat,
} from "./firecracker/versions.ts";
export { readCertificate } from "./read/matrix.ts";
export { withSameClocks } from "./verdict/clocks.ts";
export { matrixEntries, verdictKey } from "./verdict/entries.ts";
export { guestKey } from "./verdict/guest-key.ts";
export { rulesVersion } from "./verdict/version.ts";
export type { Finding, Verdict } from "./verdict/finding.ts";
export { judge, judgePrepared, prepare, type Judgement } from "./verdict/judge.ts";
export {
  certify,
  disagreements,
  judgeMatrix,
  profileDigest,
  type Certificate,
  type MatrixEntry,
  type MatrixPair,
} from "./verdict/matrix.ts";
export { whyNot, type WhyNot } from "./verdict/reasons.ts";
export { RULES } from "./verdict/rules.ts";
export { LINT_RULES, type LintFinding, type LintRuleId } from "./lint/finding.ts";
export { lintTemplate } from "./lint/lint.ts";
export { assessStaticTemplate, type StaticAssessment } from "./plan/assess-static.ts";
export { armBuiltInTemplate } from "./firecracker/static-arm.ts";
export type { Vendor } from "./tables/field.ts";
export { vendorOfCpu } from "./tables/vendors.ts";
export { bootRequest, type BootAnswer, type BootRequest } from "./verify/boot.ts";
export { compareBoot, type Mismatch, type MismatchOwner } from "./verify/mismatch.ts";
export { comparePlanned } from "./verify/planned.ts";
export { changedWords, trialCpuid } from "./verify/read-back.ts";
export {
  armBootRequest,
  compareArmBoot,
  compareArmPlanned,
  type ArmBootAnswer,
  type ArmBootRequest,
} from "./verify/boot-arm.ts";
export { armTrials } from "./arm/trial.ts";
export { inheritContract } from "./contract/inherit.ts";
export { contractDigest } from "./contract/file.ts";
export { isAnnouncement, isPromise } from "./tables/masks.ts";
