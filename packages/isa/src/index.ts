/** The public face of `@evenkeel/isa`: instructions, the features they need, crashes explained. */
export { ISA_ERRORS, IsaError, type IsaErrorCode } from "./errors.ts";
export {
  requirementsOf,
  type Privilege,
  type Requirements,
  type WithoutFeature,
} from "./features/requirements.ts";
export { enablementOf, type Enablement } from "./features/enablement.ts";
