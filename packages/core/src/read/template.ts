/** What a CPU template is read from: a template, a VM's configuration, a dump, or a plan. */
import { fail } from "../errors.ts";
import { parseJson } from "../json/parse.ts";
import { isObject } from "../json/problems.ts";
import { parseTemplate } from "../template/parse.ts";
import type { CpuTemplate } from "../template/template.ts";
import { isFingerprint } from "./dump.ts";
import { readDocument, templateOf, type Document } from "./document.ts";
import type { PlanFile } from "../plan/find-class.ts";
import { isQemuModel } from "./raw/qemu.ts";
import { isJsonText, readText } from "./text.ts";
import { isVmConfig } from "./vm-config.ts";

export type TemplateDocument =
  | { readonly kind: "template"; readonly template: CpuTemplate }
  | { readonly kind: "plan"; readonly plan: PlanFile };

const WHAT: Readonly<Record<Document["kind"], string>> = {
  profile: "a node's profile",
  plan: "a plan",
  contract: "the contract of a snapshot",
  template: "a CPU template",
};

/** The template that a document is or can be read as; throws NOT_A_TEMPLATE. */
function requireTemplate(document: Document): CpuTemplate {
  const template = templateOf(document);
  if (template !== undefined) return template;
  return fail("NOT_A_TEMPLATE", `this is ${WHAT[document.kind]}, not a CPU template`);
}

/** Whether a document says itself what it is; all else is read, and refused, as a template. */
function saysWhatItIs(json: unknown): boolean {
  if (!isObject(json)) return true;
  return "schema" in json || isFingerprint(json) || isQemuModel(json) || isVmConfig(json);
}

/** Reads a file that must hold a template or a plan. Throws NOT_A_TEMPLATE and what is wrong. */
export function readTemplateDocument(text: string): TemplateDocument {
  const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
  if (!isJsonText(body)) return { kind: "template", template: requireTemplate(readText(body)) };
  const json = parseJson(body);
  if (!saysWhatItIs(json)) return { kind: "template", template: parseTemplate(json) };
  const document = readDocument(json, "");
  if (document.kind === "plan") return document;
  return { kind: "template", template: requireTemplate(document) };
}

/** Reads a file that must hold a plan. Throws NOT_A_PLAN and what is wrong. */
export function readPlanText(text: string): PlanFile {
  const document = readText(text);
  if (document.kind === "plan") return document.plan;
  return fail("NOT_A_PLAN", `this is ${WHAT[document.kind]}, not a plan`);
}
