/** `@evenkeel/host/cpu-template`: without KVM and child processes, for commands that only read. */
export { isPlanned, lintLoaded } from "./lint.ts";
export type { FoundPlan, ReadFile } from "./read.ts";
export {
  builtInRequest,
  namedRequest,
  NO_TEMPLATE,
  templateRequest,
  type TemplateEnvironment,
  type TemplateRequest,
} from "./request.ts";
export { resolveTemplate, type ResolveContext, type ResolvedTemplate } from "./resolve.ts";
export { openTemplate, type LoadedTemplate, type TemplateSource } from "./source.ts";
