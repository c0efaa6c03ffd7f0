/** `evenkeel show`: what is in this file, in names? */
import {
  ALL_LINES,
  checkTemplate,
  contractToJson,
  decode,
  decodeTemplate,
  hexNumber,
  prettyJson,
  stateOfPlan,
  stateOfProfile,
  type Document,
} from "@evenkeel/core";
import { loadDocument } from "../input/documents.ts";
import { showContract, showPlan, showProfile, showTemplate } from "../render/show.ts";

export interface ShowFlags {
  readonly fields?: boolean;
  readonly json?: boolean;
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
  const numbers = (state: ReturnType<typeof stateOfProfile>) =>
    state === undefined
      ? []
      : decode(state).map(({ address, name, title, group, kind, value }) => ({
          address,
          name,
          title,
          group,
          kind,
          value: hexNumber(value),
        }));
  if (document.kind === "plan") {
    const { vendor, firecracker, classes, guest } = document.plan;
    const fields = numbers(stateOfPlan(vendor, guest));
    return { kind: "plan", vendor, firecracker, classes, features: guest.features, fields };
  }
  if (document.kind === "contract") return contractToJson(document.contract);
  const { cpu, ...rest } = document.profile;
  const registers = cpu.registers.map(({ id, value }) => ({
    id: hexNumber(id),
    value: hexNumber(value),
  }));
  const fields = numbers(stateOfProfile(cpu));
  return { kind: "profile", ...rest, arch: cpu.arch, view: cpu.view, fields, registers };
}

export function runShow(file: string, flags: ShowFlags): number {
  const document = loadDocument(file);
  const all = flags.fields === true;
  if (flags.json === true) process.stdout.write(prettyJson(asJson(document)));
  else if (document.kind === "plan") process.stdout.write(showPlan(document.plan, all));
  else if (document.kind === "contract") {
    process.stdout.write(showContract(document.contract, all));
  } else if (document.kind === "template") process.stdout.write(showTemplate(document.template));
  else process.stdout.write(showProfile(document.profile, all));
  return 0;
}
