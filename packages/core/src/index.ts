/**
 * The library `evenkeel`: pure functions over profiles, templates, contracts and plans,
 * floor by floor (CONTRIBUTING.md). `planPool` plans a pool, `judge` gives a verdict, `readText` reads
 * whatever a file may be.
 */

// The ground: CPU state and errors
export {
  entryKey,
  indexEntries,
  REGISTERS,
  SIGNIFICANT_INDEX,
  type Arch,
  type ArmRegister,
  type CpuidEntry,
  type MsrValue,
  type Register,
} from "./cpuid.ts";
export {
  CORE_ERRORS,
  CoreError,
  defineErrors,
  FileError,
  formatProblem,
  inFile,
  KnownError,
  notComparable,
  type ErrorKind,
  type ErrorOf,
  type Problem,
} from "./errors.ts";

// Facts as rows: fields, models, levels, releases of Firecracker and of the host kernel
export { armModelText } from "./tables/arm/models.ts";
export type { CpuidField, CpuType, MsrField, Vendor } from "./tables/field.ts";
export { GROUP_ORDER, UNCOUNTED_GROUPS } from "./tables/groups.ts";
export { CATALOGUE_KERNELS } from "./tables/kernels.ts";
export { levelOf, LEVELS } from "./tables/levels.ts";
export { CPUID_FIELDS, cpuidFields, fieldByName, fieldInfo } from "./tables/lookup.ts";
export { isAnnouncement, isPromise } from "./tables/masks.ts";
export {
  CATALOGUE_MODELS,
  decodeSignature,
  formatFms,
  requireModel,
  signatureOf,
} from "./tables/models.ts";
export { fieldByForeignName } from "./tables/names.ts";
export {
  ALL_LINES,
  compareLines,
  does,
  firstLineThat,
  formatLines,
  knownLine,
  knownVersions,
  loadingVersion,
  newestVersion,
  snapshotFormat,
} from "./tables/releases.ts";
export { archOf, cpuTypeOf, vendorOfCpu } from "./tables/vendors.ts";

// Addresses as the manuals write them, order and lists of words
export { didYouMean } from "./format/suggest.ts";
export { fieldAddress, hexNumber, registerAddress } from "./format/address.ts";
export { API_BODY_LIMIT, SOCKET_PATH_LIMIT } from "./limits.ts";
export { listOf } from "./format/text.ts";

// JSON that says where it is wrong
export { parseJson } from "./json/parse.ts";
export { groupBy } from "./group.ts";
export { prettyJson } from "./json/pretty.ts";

// CPU templates
export { applyTemplate } from "./template/apply.ts";
export { applyBitmap32 } from "./template/bitmap.ts";
export { formatTemplate } from "./template/format.ts";
export { parseTemplate } from "./template/parse.ts";
export { EMPTY_TEMPLATE, templateArch, type CpuTemplate } from "./template/template.ts";

// Node profiles and classes
export { changedMembers } from "./profile/file.ts";
export { classId } from "./profile/class.ts";
export { formatProfile, profileToJson } from "./profile/file.ts";
export {
  ignoresTemplates,
  type Enforcement,
  type KvmFacts,
  type TakenField,
} from "./profile/kvm-facts.ts";
export {
  PROFILE_SCHEMA,
  type HostFacts,
  type NodeProfile,
  type OfferedCpu,
  type TscFacts,
} from "./profile/profile.ts";
export { cpuModel, modelName } from "./profile/model.ts";
export { stateOfCpu, type CpuState } from "./profile/state.ts";
export { withoutCpuNumber } from "./profile/which-cpu.ts";

// What Firecracker does at boot, and its built-in templates
export { checkTemplate } from "./firecracker/check-template.ts";
export { isDumpedMsr } from "./firecracker/dumped-msrs.ts";
export { simulate } from "./firecracker/simulate.ts";
export { buildStaticTemplate } from "./firecracker/static-build.ts";
export {
  isAcceptedOn,
  isRefusedOn,
  staticTemplateRow,
  type StaticTemplate,
} from "./firecracker/static-templates.ts";
export {
  armBuiltInTemplate,
  BUILT_IN_NAMES,
  builtInTemplate,
  type BuiltInTemplate,
} from "./firecracker/built-in.ts";
export { readPlanText, readTemplateDocument, type TemplateDocument } from "./read/template.ts";

// Estimates of CPU models that are not there
export { guestCpuOf, type Caches } from "./catalogue/guest-of-model.ts";
export { CATALOGUE, requireCatalogueProfile } from "./catalogue/index.ts";
export { onKernel } from "./catalogue/guest-of-model.ts";

// CPU contracts of snapshots
export type { CpuContract } from "./contract/contract.ts";
export { contractDigest, contractToJson } from "./contract/file.ts";
export { inheritContract } from "./contract/inherit.ts";
export { predictContract, type ContractResult } from "./contract/make.ts";

// Verdicts: can a snapshot resume there?
export { withClockOf, withSameClocks } from "./verdict/clocks.ts";
export { matrixEntries, verdictKey } from "./verdict/entries.ts";
export { guestKey } from "./verdict/prepare.ts";
export type { Finding, Verdict } from "./verdict/finding.ts";
export { judge, judgePrepared, type Judgement } from "./verdict/judge.ts";
export {
  certify,
  disagreements,
  judgeMatrix,
  profileDigest,
  rulesVersion,
  type Certificate,
  type MatrixEntry,
  type MatrixPair,
} from "./verdict/matrix.ts";
export { prepare, prepareOn, type Bench } from "./verdict/prepare.ts";
export { type WhyNot } from "./verdict/reasons.ts";
export { RULES } from "./verdict/rules.ts";

// Lint: is a template right for a node?
export { LINT_RULES, type LintFinding, type LintRuleId } from "./lint/finding.ts";
export { lintTemplate } from "./lint/lint.ts";

// Plans: one guest CPU for a pool
export { honourAccepted, isAccepted, type Accepted } from "./plan/accepted.ts";
export { assessStaticTemplate, type StaticAssessment } from "./plan/assess-static.ts";
export type { Reason } from "./plan/merge.ts";
export { compareSeen, type PlannedDifference } from "./plan/compare-seen.ts";
export { compareStaticTemplates } from "./plan/assess-static.ts";
export type { GivenUp } from "./plan/costs.ts";
export { planToJson } from "./plan/file.ts";
export {
  findPlannedClass,
  type ClassMatch,
  type PlanFile,
  type PlanFileClass,
} from "./plan/find-class.ts";
export type { GuestCpu } from "./plan/guest-cpu.ts";
export { guestWord } from "./plan/guest-word.ts";
export { parseIdentity, type IdentityPolicy } from "./plan/identity.ts";
export { isBeyondTemplates, type Accept } from "./plan/moves.ts";
export type { Plan, PlannedClass, PlanOptions, PlanResult } from "./plan/plan.ts";
export { mergeTree, planPool, planPools, type MergeTree } from "./plan/pools.ts";
export type { Refusal } from "./plan/refuse.ts";
export { parseFeatures } from "./plan/shape.ts";
export type { Join } from "./plan/split.ts";

// Decoding and comparing for people
export {
  classOffersFeature,
  offersFeature,
  planHasFeature,
  promisesFeature,
  type Answer,
} from "./inspect/answers.ts";
export { cpuinfoGuest, rewriteCpuinfo, type CpuinfoGuest } from "./inspect/cpuinfo.ts";
export { decodeTemplate, type TemplateField } from "./inspect/decode-template.ts";
export { decode, type DecodedField } from "./inspect/decode.ts";
export { diffCpus, diffTemplates, type Difference } from "./inspect/diff.ts";
export {
  contractFields,
  planFields,
  profileFields,
  stateOfContract,
  stateOfPlan,
} from "./inspect/state.ts";

// The guest CPU for other virtual machine monitors
export { EMITTERS, type Monitor } from "./emit/emit.ts";
export type { Emitted, Unsaid } from "./emit/guest.ts";
export { NAMED_MODELS, VMM_NAMES } from "./tables/vmm-names.ts";

// Verify: what a real vCPU must show
export { bootRequest, type BootAnswer, type BootRequest } from "./verify/boot.ts";
export { changedFields } from "./verify/read-back.ts";
export { compareBoot, type Mismatch, type MismatchOwner } from "./verify/mismatch.ts";
export { comparePlanned } from "./verify/planned.ts";
export { changedWords, trialCpuid } from "./verify/read-back.ts";
export { armTrials } from "./verify/trial-arm.ts";

// Drift: what changed on a node
export { driftOf, type Drift, type DriftOutcome } from "./drift/drift.ts";
export type { PlannedDrift, PlannedNode } from "./drift/planned.ts";
export { staleHost, staleProfile, type Staleness } from "./drift/stale.ts";

// Changes of a fleet, before they are made
export {
  afterChanges,
  classNameOf,
  type FleetChange,
  type Room,
  type SimulatedFleet,
  type SimulatedNode,
} from "./change/fleet.ts";
export { underPlan } from "./change/table.ts";
export { simulateChange, type ChangeOutcome, type ContractOutcome } from "./change/outcome.ts";
export { countObstacles, type JudgedNodes, type Obstacle } from "./change/obstacles.ts";
export { planAgain, replacePlan, type PlanChange } from "./change/plans.ts";

// Reading any file
export {
  profileOf,
  readDocument,
  readProfile,
  templateOf,
  type Document,
} from "./read/document.ts";
export { CPU_KEYS, readHeader, type ProfileHeader } from "./read/header.ts";
export { readCertificate } from "./read/matrix.ts";
export { readText, type ReadOptions } from "./read/text.ts";
