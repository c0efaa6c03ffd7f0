/** A requested template, read and understood: what it is under each Firecracker version. */
import { dirname, isAbsolute, join, normalize } from "node:path";
import {
  armBuiltInTemplate,
  buildStaticTemplate,
  CoreError,
  findPlannedClass,
  knownLine,
  parseJson,
  parseTemplate,
  readDocument,
  staticTemplateRow,
  type Accepted,
  type CpuTemplate,
  type Document,
  type NodeProfile,
  type PlanFile,
} from "@evenkeel/core";
import { HostError } from "../errors.ts";
import type { CpuChoice } from "../vmm.ts";
import type { TemplateRequest } from "./request.ts";

/** Reads a file as text; undefined where there is none. Throws what cannot be read. */
export type ReadFile = (path: string) => string | undefined;

export interface LoadedTemplate {
  /** What a driver is to send. */
  readonly choice: CpuChoice;
  /** What a contract records: a name or a file; undefined where there is no template. */
  readonly name: string | undefined;
  /** The plan's class of this node, and the plan's path. */
  readonly class?: string;
  readonly plan?: string;
  /** What the operator accepted when the plan was made. */
  readonly accepted?: Accepted;
  /** What it does under a Firecracker version; built-in templates have changed over time. */
  readonly templateFor: (version: string) => CpuTemplate | undefined;
}

function readText(path: string, read: ReadFile): string {
  const text = read(path);
  if (text !== undefined) return text;
  throw new HostError("TEMPLATE_INVALID", `${path}: there is no such file`);
}

function inFile<T>(path: string, understand: () => T): T {
  try {
    return understand();
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    throw new HostError("TEMPLATE_INVALID", `${path}: ${error.message}`, { cause: error });
  }
}

function custom(template: CpuTemplate, name: string): LoadedTemplate {
  return { choice: { kind: "template", template }, name, templateFor: () => template };
}

/** Another known document is a mistake worth naming; all else is read as a template. */
function templateIn(json: unknown): CpuTemplate {
  const isOwn = typeof json === "object" && json !== null && "schema" in json;
  if (!isOwn) return parseTemplate(json);
  const { kind } = readDocument(json, "");
  throw new CoreError("NOT_A_TEMPLATE", [{ path: "", message: `this is a ${kind}` }]);
}

function readTemplate(path: string, read: ReadFile): CpuTemplate {
  const text = readText(path, read);
  return inFile(path, () => templateIn(parseJson(text)));
}

function builtIn(name: string): LoadedTemplate {
  const arm = armBuiltInTemplate(name);
  const row = staticTemplateRow(name);
  return {
    choice: { kind: "built-in", name },
    name,
    templateFor: (version) =>
      row === undefined ? arm : buildStaticTemplate(row, knownLine(version)),
  };
}

interface FoundPlan {
  readonly plan: PlanFile;
  readonly path: string;
}

/** A plan by its directory or by its file. */
function readPlan(path: string, read: ReadFile): FoundPlan {
  const index = join(path, "plan.json");
  const inside = read(index);
  const file = inside === undefined ? path : index;
  const text = inside ?? readText(path, read);
  const document: Document = inFile(file, () => readDocument(parseJson(text), ""));
  if (document.kind === "plan") return { plan: document.plan, path: file };
  throw new HostError("TEMPLATE_INVALID", `${file}: this is a ${document.kind}, not a plan`);
}

/** Plans name their templates relative to themselves, and nothing outside of their directory. */
function templatePath(plan: string, template: string): string {
  const relative = normalize(template);
  if (!isAbsolute(relative) && !relative.startsWith("..")) return join(dirname(plan), relative);
  throw new HostError("TEMPLATE_INVALID", `${plan}: "${template}" is not in the plan's directory`);
}

function ofPlan(path: string, profile: NodeProfile | undefined, read: ReadFile): LoadedTemplate {
  if (profile === undefined) {
    throw new HostError(
      "NODE_NOT_IN_PLAN",
      `${path}: which class is this node's? Give its profile`,
    );
  }
  const { plan, path: file } = readPlan(path, read);
  const match = findPlannedClass(plan, profile);
  if (match.kind === "unknown") {
    throw new HostError("NODE_NOT_IN_PLAN", `${file} has no class of nodes like ${profile.name}`);
  }
  const { id, template } = match.planned;
  if (match.kind === "changed") {
    throw new HostError(
      "NODE_NOT_IN_PLAN",
      `${file} has ${profile.name} in ${id}, but what the node offers has changed since`,
    );
  }
  const loaded = custom(readTemplate(templatePath(file, template), read), template);
  const { accepted } = plan;
  return { ...loaded, class: id, plan: path, ...(accepted === undefined ? {} : { accepted }) };
}

/** Only a plan needs to know the node. Throws TEMPLATE_INVALID, NODE_NOT_IN_PLAN. */
export function loadTemplate(
  request: TemplateRequest,
  profile: NodeProfile | undefined,
  read: ReadFile,
): LoadedTemplate {
  const { kind } = request;
  if (kind === "built-in") return builtIn(request.name);
  if (kind === "file") return custom(readTemplate(request.path, read), request.path);
  if (kind === "plan") return ofPlan(request.path, profile, read);
  return { choice: { kind }, name: undefined, templateFor: () => undefined };
}
