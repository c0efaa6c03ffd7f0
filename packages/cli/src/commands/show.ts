/** `evenkeel show`: what is in this file, in names? */
import {
  archOf,
  ALL_LINES,
  builtInTemplate,
  checkTemplate,
  contractToJson,
  decodeTemplate,
  hexNumber,
  prettyJson,
  planFields,
  profileFields,
  profileToJson,
  type DecodedField,
  type Document,
} from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { loadDocument, profileLoader, type ReadFlags } from "../input/documents.ts";
import { isDirectory, refuseStdinTwice } from "../input/read.ts";
import { openNamed } from "../input/template.ts";
import { showContract, showPlan, showProfile, showTemplate } from "../render/show.ts";

/** Built-in templates are shown as the newest release has them. */
const NEWEST = ALL_LINES.at(-1) ?? "";

export interface ShowFlags extends ReadFlags {
  /** Show the template that this node boots with. */
  readonly node?: string;
  readonly fields?: boolean;
  readonly json?: boolean;
}

function numbers(fields: readonly DecodedField[]) {
  return fields.map(({ address, name, title, group, kind, value }) => ({
    address,
    name,
    title,
    group,
    kind,
    value: hexNumber(value),
  }));
}

function asJson(document: Document): unknown {
  if (document.kind === "template") {
    const fields = decodeTemplate(document.template).map(({ address, name, title, bits }) => ({
      address,
      name,
      title,
      bits,
    }));
    return { kind: "template", fields, findings: checkTemplate(document.template, ALL_LINES) };
  }
  if (document.kind === "contract") return contractToJson(document.contract);
  if (document.kind === "plan") {
    const { plan } = document;
    const { firecracker, classes, guest } = plan;
    const arch = archOf(plan.type);
    const vendor = arch === "x86_64" ? plan.type : undefined;
    const fields = numbers(planFields(plan));
    const { features } = guest;
    return { kind: "plan", arch, vendor, firecracker, classes, features, fields };
  }
  const { schema: _, cpuid: __, msrs: ___, ...rest } = profileToJson(document.profile);
  const fields = numbers(profileFields(document.profile.cpu) ?? []);
  return { kind: "profile", ...rest, fields };
}

/** What an argument names: a built-in template, the plans in a directory, or any document. */
function documentsOf(what: string, flags: ShowFlags): readonly Document[] {
  const builtIn = builtInTemplate(what);
  if (builtIn !== undefined) return [{ kind: "template", template: builtIn.templateFor(NEWEST) }];
  if (!isDirectory(what)) return [loadDocument(what, flags)];
  return openNamed(what).plans.map(({ plan }): Document => ({ kind: "plan", plan }));
}

/** The template that a node's microVMs boot with. */
function templateOfNode(what: string, file: string, flags: ShowFlags): Document {
  refuseStdinTwice([what, file]);
  const loaded = openNamed(what).forNode(profileLoader(flags)(file));
  const template = loaded.templateFor(NEWEST);
  if (template === undefined) throw new CliError("USAGE", `${what} is not a template`);
  return { kind: "template", template };
}

function report(document: Document, all: boolean): string {
  if (document.kind === "plan") return showPlan(document.plan, all);
  if (document.kind === "contract") return showContract(document.contract, all);
  if (document.kind === "template") return showTemplate(document.template);
  return showProfile(document.profile, all);
}

export function runShow(what: string, flags: ShowFlags): number {
  const { node, fields = false, json = false } = flags;
  const documents =
    node === undefined ? documentsOf(what, flags) : [templateOfNode(what, node, flags)];
  const [first, ...others] = documents;
  if (json && first !== undefined) {
    const shown = others.length === 0 ? asJson(first) : { plans: documents.map(asJson) };
    process.stdout.write(prettyJson(shown));
  } else process.stdout.write(documents.map((document) => report(document, fields)).join("\n"));
  return 0;
}
