/** `evenkeel show`: what is in this file, in names? */
import {
  archOf,
  ALL_LINES,
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
import { loadDocument, type ReadFlags } from "../input/documents.ts";
import { showContract, showPlan, showProfile, showTemplate } from "../render/show.ts";

export interface ShowFlags extends ReadFlags {
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

export function runShow(file: string, flags: ShowFlags): number {
  const document = loadDocument(file, flags);
  const all = flags.fields === true;
  if (flags.json === true) process.stdout.write(prettyJson(asJson(document)));
  else if (document.kind === "plan") process.stdout.write(showPlan(document.plan, all));
  else if (document.kind === "contract") {
    process.stdout.write(showContract(document.contract, all));
  } else if (document.kind === "template") process.stdout.write(showTemplate(document.template));
  else process.stdout.write(showProfile(document.profile, all));
  return 0;
}
