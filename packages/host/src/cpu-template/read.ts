/** Reading what a request names: templates and plans, wherever they are. */
import { createHash } from "node:crypto";
import { dirname, isAbsolute, join, normalize } from "node:path";
import {
  CoreError,
  FileError,
  inFile,
  readPlanText,
  readTemplateDocument,
  type CpuTemplate,
  type PlanFile,
  type TemplateDocument,
} from "@evenkeel/core";
import { HostError } from "../errors.ts";

/** Reads a file as text; undefined where there is none. Throws what cannot be read. */
export type ReadFile = (path: string) => string | undefined;

export interface FoundPlan {
  readonly plan: PlanFile;
  /** Its plan.json. */
  readonly file: string;
  /** SHA-256 of its text: identifies the plan wherever the file is. */
  readonly digest: string;
}

/** Far more pools than anybody would split a fleet into. */
const MOST_POOLS = 1000;

function misfit(file: string, code: "NOT_A_PLAN" | "NOT_A_TEMPLATE", message: string): FileError {
  return new FileError(file, new CoreError(code, [{ path: "", message }]));
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function textAt(path: string, read: ReadFile): string {
  const text = read(path);
  if (text !== undefined) return text;
  const message = `${path}: no such file, and no plan.json in a directory of that name`;
  throw new HostError("TEMPLATE_MISSING", message);
}

/** A file's document. Throws TEMPLATE_MISSING if there is neither such a file nor a plan. */
export function readDocumentAt(path: string, read: ReadFile): TemplateDocument {
  const text = textAt(path, read);
  return inFile(path, () => readTemplateDocument(text));
}

export function readTemplateAt(path: string, read: ReadFile): CpuTemplate {
  const document = readDocumentAt(path, read);
  if (document.kind === "template") return document.template;
  throw misfit(path, "NOT_A_TEMPLATE", "this is a plan, not a CPU template");
}

function planIn(directory: string, read: ReadFile): FoundPlan | undefined {
  const file = join(directory, "plan.json");
  const text = read(file);
  if (text === undefined) return undefined;
  return { plan: inFile(file, () => readPlanText(text)), file, digest: digestOf(text) };
}

/** A directory's plans: its own, and those of pools as `plan --split` numbers them. */
export function plansIn(directory: string, read: ReadFile): FoundPlan[] {
  const own = planIn(directory, read);
  const plans = own === undefined ? [] : [own];
  for (let pool = 1; pool <= MOST_POOLS; pool += 1) {
    const found = planIn(join(directory, `pool-${pool}`), read);
    if (found === undefined) break;
    plans.push(found);
  }
  return plans;
}

/** The plans of a file or of a directory: one at least. */
export function readPlansAt(path: string, read: ReadFile): readonly FoundPlan[] {
  const plans = plansIn(path, read);
  if (plans.length > 0) return plans;
  const text = textAt(path, read);
  return [{ plan: inFile(path, () => readPlanText(text)), file: path, digest: digestOf(text) }];
}

/** Plans name their templates relative to themselves, and nothing outside of their directory. */
export function templateBeside(file: string, template: string): string {
  const relative = normalize(template);
  if (!isAbsolute(relative) && relative.split("/")[0] !== "..") {
    return join(dirname(file), relative);
  }
  throw misfit(file, "NOT_A_PLAN", `"${template}" is outside the plan's directory`);
}
