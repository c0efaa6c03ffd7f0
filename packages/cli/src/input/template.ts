/** Templates and plans that a command line names; `@evenkeel/host/cpu-template` resolves them. */
import {
  builtInRequest,
  namedRequest,
  NO_TEMPLATE,
  openTemplate,
  type FoundPlan,
  type TemplateRequest,
  type TemplateSource,
} from "@evenkeel/host/cpu-template";
import { CliError } from "../errors.ts";
import { readInput } from "./read.ts";

export interface TemplateFlags {
  /** Any form: a built-in name, a file, a plan, its directory, what `plan --split` wrote. */
  readonly template?: string;
  readonly cpuTemplate?: string;
  readonly plan?: string;
}

const ABSENT = new Set(["ENOENT", "ENOTDIR"]);

/** A file's text, standard input's for `-`; undefined where there is none, or a directory. */
export function readIfThere(path: string): string | undefined {
  try {
    return readInput(path).toString("utf8");
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const { code = "" } = (error.cause ?? {}) as NodeJS.ErrnoException;
    if (error.code === "DIRECTORY" || ABSENT.has(code)) return undefined;
    throw error;
  }
}

/** The flags as one request; without any, no template is requested. */
export function requestOf({ template, cpuTemplate, plan }: TemplateFlags): TemplateRequest {
  const requests: TemplateRequest[] = [
    ...(plan === undefined ? [] : [{ kind: "plan", path: plan } as const]),
    ...(template === undefined ? [] : [namedRequest(template)]),
    ...(cpuTemplate === undefined ? [] : [builtInRequest(cpuTemplate)]),
  ];
  if (requests.length > 1) {
    throw new CliError("USAGE", "give one of --template, --cpu-template and --plan");
  }
  return requests[0] ?? NO_TEMPLATE;
}

export function openFlags(flags: TemplateFlags): TemplateSource {
  return openTemplate(requestOf(flags), readIfThere);
}

/** The template or plans that an argument names; throws USAGE for `None`. */
export function openNamed(what: string): TemplateSource {
  const source = openTemplate(namedRequest(what), readIfThere);
  if (source.kind !== "none") return source;
  throw new CliError("USAGE", "None means no template in Firecracker: name a template");
}

/** One plan by its file or its directory. */
export function loadPlan(path: string): FoundPlan {
  const [plan, second] = openTemplate({ kind: "plan", path }, readIfThere).plans;
  if (plan !== undefined && second === undefined) return plan;
  const files = `${plan?.file ?? ""}, ${second?.file ?? ""}`;
  throw new CliError("USAGE", `${path} holds several plans, give one of them: ${files}`);
}
