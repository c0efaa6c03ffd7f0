/**
 * The one resolver of CPU templates: a built-in name, a template's file, a plan, a plan's directory
 * or what `plan --split` wrote, and for a node the template that its microVMs boot with. Commands,
 * the launcher and the agent all ask here, so they agree, in refusals too.
 */
import {
  builtInTemplate,
  findPlannedClass,
  knownLine,
  type Accepted,
  type BuiltInTemplate,
  type ClassMatch,
  type CpuTemplate,
  type NodeProfile,
  type PlanFileClass,
} from "@evenkeel/core";
import { HostError } from "../errors.ts";
import type { CpuChoice } from "../vmm.ts";
import { plansIn, readDocumentAt, readPlansAt, readTemplateAt, templateBeside } from "./read.ts";
import type { FoundPlan, ReadFile } from "./read.ts";
import type { TemplateRequest } from "./request.ts";

export interface LoadedTemplate {
  /** What a driver is to send. */
  readonly choice: CpuChoice;
  /** What a contract records: a name or a file; undefined where there is no template. */
  readonly name: string | undefined;
  /** The plan's class of this node, and the plan's digest. */
  readonly class?: string;
  readonly plan?: string;
  /** The plan that has this node, with its file; with several pools, the node's own. */
  readonly planned?: FoundPlan;
  /** What the operator accepted when the pool was planned. */
  readonly accepted?: Accepted;
  /** The built-in template, if it is one. */
  readonly builtIn?: BuiltInTemplate;
  /** What it does under a Firecracker version; built-in templates have changed over time. */
  readonly templateFor: (version: string) => CpuTemplate | undefined;
}

/** A node's class in one of the plans, by what the node offers. */
interface PlannedNode {
  readonly plan: FoundPlan;
  readonly planned: PlanFileClass;
  /** The plan names the node, but the node has changed since. */
  readonly changed: boolean;
  readonly template: () => CpuTemplate;
}

export interface TemplateSource {
  readonly kind: "none" | "built-in" | "file" | "plans";
  /** The plans, where it is one or several; else empty. */
  readonly plans: readonly FoundPlan[];
  /**
   * The template that a node's microVMs boot with; only a plan depends on the node. Throws
   * NODE_NOT_IN_PLAN, and any error of the class's template.
   */
  readonly forNode: (profile: NodeProfile | undefined) => LoadedTemplate;
  /** A plan's class of a node, a changed one too; throws NODE_NOT_IN_PLAN where there is none. */
  readonly classOf: (profile: NodeProfile) => PlannedNode;
}

function same(kind: "none" | "built-in" | "file", loaded: LoadedTemplate): TemplateSource {
  const classOf = () => {
    throw new HostError("NODE_NOT_IN_PLAN", `${loaded.name ?? "None"} is not a plan`);
  };
  return { kind, plans: [], forNode: () => loaded, classOf };
}

function custom(template: CpuTemplate, name: string): LoadedTemplate {
  return { choice: { kind: "template", template }, name, templateFor: () => template };
}

function builtIn(name: string): LoadedTemplate {
  const found = builtInTemplate(name);
  if (found === undefined) {
    throw new HostError("TEMPLATE_UNKNOWN", `no built-in template is named ${name}`);
  }
  const templateFor = (version: string) => found.templateFor(knownLine(version));
  return { choice: { kind: "built-in", name }, name, builtIn: found, templateFor };
}

interface Match {
  readonly found: FoundPlan;
  readonly match: Exclude<ClassMatch, { kind: "unknown" }>;
}

function matchesIn(plans: readonly FoundPlan[], profile: NodeProfile): Match[] {
  return plans.flatMap((found) => {
    const match = findPlannedClass(found.plan, profile);
    return match.kind === "unknown" ? [] : [{ found, match }];
  });
}

/** The one plan that has the node, by what the node offers; by its name only if nothing matches. */
function matchOf(path: string, plans: readonly FoundPlan[], profile: NodeProfile): Match {
  const matches = matchesIn(plans, profile);
  const exact = matches.filter(({ match }) => match.kind === "found");
  const [first, second] = exact.length > 0 ? exact : matches;
  if (first === undefined) {
    const message = `${path} has no class that matches ${profile.name}`;
    throw new HostError("NODE_NOT_IN_PLAN", message);
  }
  if (second === undefined) return first;
  const both = `${first.found.file} and ${second.found.file}`;
  throw new HostError("NODE_NOT_IN_PLAN", `${profile.name} is in two plans: ${both}`);
}

function fromPlans(path: string, plans: readonly FoundPlan[], read: ReadFile): TemplateSource {
  const templates = new Map<string, CpuTemplate>();
  const templateAt = (file: string) => {
    const known = templates.get(file) ?? readTemplateAt(file, read);
    templates.set(file, known);
    return known;
  };
  const classOf = (profile: NodeProfile): PlannedNode => {
    const { found, match } = matchOf(path, plans, profile);
    const { planned } = match;
    const template = () => templateAt(templateBeside(found.file, planned.template));
    return { plan: found, planned, changed: match.kind === "changed", template };
  };
  const remembered = new Map<NodeProfile["cpu"], LoadedTemplate>();
  const forNode = (profile: NodeProfile | undefined): LoadedTemplate => {
    if (profile === undefined) {
      const message = `${path}: a plan has one template per class of nodes; give the node's profile`;
      throw new HostError("NODE_NOT_IN_PLAN", message);
    }
    const known = remembered.get(profile.cpu);
    if (known !== undefined) return known;
    const loaded = plannedTemplate(profile, classOf(profile));
    remembered.set(profile.cpu, loaded);
    return loaded;
  };
  return { kind: "plans", plans, forNode, classOf };
}

function plannedTemplate({ name }: NodeProfile, node: PlannedNode): LoadedTemplate {
  const { plan, planned, changed, template } = node;
  if (changed) {
    const message = `${plan.file} has ${name} in ${planned.id}, but the node has changed since`;
    throw new HostError("NODE_NOT_IN_PLAN", message);
  }
  const { accepted } = plan.plan;
  return {
    ...custom(template(), planned.template),
    class: planned.id,
    plan: plan.digest,
    planned: plan,
    ...(accepted === undefined ? {} : { accepted }),
  };
}

function fromPath(path: string, read: ReadFile): TemplateSource {
  const plans = plansIn(path, read);
  if (plans.length > 0) return fromPlans(path, plans, read);
  const document = readDocumentAt(path, read);
  if (document.kind === "template") return same("file", custom(document.template, path));
  return fromPlans(path, readPlansAt(path, read), read);
}

/**
 * Opens what is requested, and reads plans. Throws TEMPLATE_MISSING, NOT_A_TEMPLATE, NOT_A_PLAN and
 * any error of a file, with the file's name.
 */
export function openTemplate(request: TemplateRequest, read: ReadFile): TemplateSource {
  const { kind } = request;
  if (kind === "built-in") return same(kind, builtIn(request.name));
  if (kind === "file") return same(kind, custom(readTemplateAt(request.path, read), request.path));
  if (kind === "plan") return fromPlans(request.path, readPlansAt(request.path, read), read);
  if (kind === "path") return fromPath(request.path, read);
  return same(kind, { choice: { kind }, name: undefined, templateFor: () => undefined });
}
