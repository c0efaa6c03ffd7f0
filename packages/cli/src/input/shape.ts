/** How a guest is shaped: by nothing, a template's file, a built-in template, or a plan. */
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  armBuiltInTemplate,
  buildStaticTemplate,
  CoreError,
  knownLine,
  findPlannedClass,
  staticTemplateRow,
  templateOf,
  type CpuTemplate,
  type NodeProfile,
  type PlanFile,
  type PlanFileClass,
  type StaticTemplate,
} from "@evenkeel/core";
import { CliError, FileError } from "../errors.ts";
import { loadDocument } from "./documents.ts";
import { displayName } from "./read.ts";

export interface ShapeFlags {
  readonly template?: string;
  readonly cpuTemplate?: string;
  readonly plan?: string;
}

export interface Shape {
  /** The template for a node under a Firecracker version; undefined: none. */
  readonly templateFor: (profile: NodeProfile, version: string) => CpuTemplate | undefined;
  /** As a contract or a certificate records it. */
  readonly name: (profile: NodeProfile) => string | undefined;
  readonly classOf: (profile: NodeProfile) => string | undefined;
  /** The built-in template, if it is one. */
  readonly builtIn: StaticTemplate | undefined;
  readonly record: Readonly<Record<string, string>>;
}

const NOTHING = { name: () => undefined, classOf: () => undefined, builtIn: undefined };

function misfit(file: string, code: "NOT_A_TEMPLATE" | "NOT_A_PLAN", message: string): FileError {
  return new FileError(displayName(file), new CoreError(code, [{ path: "", message }]));
}

export function loadTemplate(file: string): CpuTemplate {
  const document = loadDocument(file);
  const template = templateOf(document);
  if (template !== undefined) return template;
  throw misfit(file, "NOT_A_TEMPLATE", `this is a ${document.kind}, not a CPU template`);
}

/** A plan by its file or by its directory. */
export function loadPlan(path: string): { readonly plan: PlanFile; readonly file: string } {
  const isDirectory = existsSync(path) && statSync(path).isDirectory();
  const file = isDirectory ? join(path, "plan.json") : path;
  const document = loadDocument(file);
  if (document.kind !== "plan") {
    throw misfit(file, "NOT_A_PLAN", `this is a ${document.kind}, not a plan`);
  }
  return { plan: document.plan, file };
}

/** A plan's class of a node, by what the node offers; throws NODE_NOT_PLANNED. */
function plannedClassIn(plan: PlanFile, path: string, profile: NodeProfile): PlanFileClass {
  const match = findPlannedClass(plan, profile);
  if (match.kind === "found") return match.planned;
  const { name } = profile;
  throw new CliError(
    "NODE_NOT_PLANNED",
    match.kind === "unknown"
      ? `${path} has no node "${name}" and no class like it`
      : `${path} has ${name} in ${match.planned.id}, but what the node offers has changed since`,
  );
}

/** The templates of a plan by node. */
export function planTemplates(path: string) {
  const { plan, file } = loadPlan(path);
  const templates = new Map<string, CpuTemplate>();
  const classes = new Map<NodeProfile["cpu"], PlanFileClass>();
  const classFor = (profile: NodeProfile) => {
    const known = classes.get(profile.cpu) ?? plannedClassIn(plan, path, profile);
    classes.set(profile.cpu, known);
    return known;
  };
  const templateFor = (profile: NodeProfile) => {
    const { template } = classFor(profile);
    const known = templates.get(template) ?? loadTemplate(join(dirname(file), template));
    templates.set(template, known);
    return known;
  };
  return { plan, classFor, templateFor };
}

function shapeOfPlan(path: string): Shape {
  const { classFor, templateFor } = planTemplates(path);
  return {
    templateFor,
    name: (profile) => classFor(profile).template,
    classOf: (profile) => classFor(profile).id,
    builtIn: undefined,
    record: { plan: path },
  };
}

function builtInTemplate(name: string): StaticTemplate {
  const row = staticTemplateRow(name);
  if (row !== undefined) return row;
  throw new CoreError("NOT_A_TEMPLATE", [
    { path: "", message: `no built-in template is called "${name}"` },
  ]);
}

/** Reads the flags; more than one way at once is an error. */
export function shapeOf({ template, cpuTemplate, plan }: ShapeFlags): Shape {
  const given = [template, cpuTemplate, plan].filter((flag) => flag !== undefined);
  if (given.length > 1) {
    throw new CliError("USAGE", "give one of --template, --cpu-template and --plan");
  }
  if (plan !== undefined) return shapeOfPlan(plan);
  if (template !== undefined) {
    const loaded = loadTemplate(template);
    const record = { template };
    return { ...NOTHING, templateFor: () => loaded, name: () => template, record };
  }
  if (cpuTemplate === undefined || cpuTemplate === "None") {
    return { ...NOTHING, templateFor: () => undefined, record: {} };
  }
  const arm = armBuiltInTemplate(cpuTemplate);
  if (arm !== undefined) {
    const record = { cpuTemplate };
    return { ...NOTHING, templateFor: () => arm, name: () => cpuTemplate, record };
  }
  const row = builtInTemplate(cpuTemplate);
  return {
    ...NOTHING,
    templateFor: (_, version) => buildStaticTemplate(row, knownLine(version)),
    name: () => row.name,
    builtIn: row,
    record: { cpuTemplate },
  };
}
