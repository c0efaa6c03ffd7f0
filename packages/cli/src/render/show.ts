/** Profiles, plans and templates in names. */
import {
  ALL_LINES,
  archOf,
  cpuModel,
  cpuTypeOf,
  armModelText,
  checkTemplate,
  contractFields,
  decodeTemplate,
  formatFms,
  formatLines,
  hexNumber,
  isAnnouncement,
  ignoresTemplates,
  levelOf,
  planFields,
  profileFields,
  UNCOUNTED_GROUPS,
  type Arch,
  type CpuContract,
  type CpuTemplate,
  type DecodedField,
  type NodeProfile,
  type PlanFile,
  type TemplateField,
} from "@evenkeel/core";
import { featureLines } from "./features.ts";
import { heading, labelled, table } from "./layout.ts";

const COLUMN = 24;

/** A label and its value; nothing where there is none. */
export function fact(label: string, value: string | undefined): string[] {
  return value === undefined || value === "" ? [] : labelled(label, value.split(" "), 2, COLUMN);
}

export function isFeature({ kind, group }: DecodedField): boolean {
  return kind === "feature" && !UNCOUNTED_GROUPS.has(group);
}

function numberText(value: bigint): string {
  return value < 256n ? value.toString() : hexNumber(value);
}

function fieldTable(fields: readonly DecodedField[]): string[] {
  const rows = fields.map((f) => [f.address, f.name, numberText(f.value), f.kind, f.title]);
  return table(["ADDRESS", "NAME", "VALUE", "KIND", "MEANING"], rows);
}

function cpuLines(fields: readonly DecodedField[], all: boolean, arch: Arch): string[] {
  if (all) return fieldTable(fields);
  const features = fields.filter(isFeature);
  const weaknesses = fields.filter(({ kind }) => isAnnouncement(kind));
  const numbers = fields.filter(({ kind }) => kind === "minimum");
  const reserved = fields.filter(({ kind }) => kind === "reserved");
  const level = levelOf(new Set(features.map(({ name }) => name)));
  const count = `${features.length} features`;
  return [
    heading(arch === "x86_64" ? `${count}, ${level}` : count),
    ...featureLines(features, 2),
    ...fact("weaknesses announced", weaknesses.map(({ name }) => name).join(" ")),
    ...fact("numbers", numbers.map((f) => `${f.name}=${numberText(f.value)}`).join(" ")),
    ...fact("bits without a name", reserved.map(({ address }) => address).join(" ")),
  ];
}

function joined(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** The CPU's name, with the numbers that it is known by. */
function modelText({ cpu, host }: NodeProfile): string | undefined {
  const type = cpuTypeOf(cpu);
  if (type === undefined) return host.cpuModel;
  const { name, signature } = cpuModel(cpu, type);
  return signature === undefined
    ? armModelText(cpu.registers)
    : `${name} (${formatFms(signature)})`;
}

export function showProfile(profile: NodeProfile, all: boolean): string {
  const { name, cpu, host, firecracker } = profile;
  const fields = profileFields(cpu);
  const view = cpu.view === "guest" ? "as a guest sees it, no template" : "as KVM offers it";
  return joined([
    heading(`Node ${name} (${cpu.arch}, ${view})`),
    ...fact("model", modelText(profile)),
    ...fact("kernel", host.kernel),
    ...fact("microcode", host.microcode),
    ...fact("Firecracker", firecracker.join(", ")),
    ...fact("provenance", profile.provenance),
    ...(profile.notes ?? []).flatMap((note) => fact("note", note)),
    ...fact("incomplete", profile.incomplete.join("; ")),
    ...fact("templates", ignoresTemplates(profile) ? "NOT enforced by its KVM" : ""),
    ...fact("estimate", profile.estimate ? "not a measurement: for planning only" : ""),
    "",
    ...(fields === undefined ? [] : cpuLines(fields, all, cpu.arch)),
  ]);
}

export function showPlan(plan: PlanFile, all: boolean): string {
  const rows = plan.classes.map((c) => [c.id, String(c.nodes.length), c.template]);
  return joined([
    heading(`Plan for Firecracker ${formatLines(plan.firecracker)}`),
    ...table(["CLASS", "NODES", "TEMPLATE"], rows),
    "",
    ...cpuLines(planFields(plan), all, archOf(plan.type)),
  ]);
}

export function showContract(contract: CpuContract, all: boolean): string {
  const { node, firecracker, snapshotFormat, template, vcpus, smt, kernel, made } = contract;
  const fields = contractFields(contract);
  return joined([
    heading(`Contract of a snapshot of ${node}, ${made}`),
    ...fact("Firecracker", `${firecracker}, snapshot format ${snapshotFormat ?? "unknown"}`),
    ...fact("template", template ?? "none"),
    ...fact("vCPUs", `${vcpus}${smt ? ", two threads per core" : ""}`),
    ...fact("host kernel", kernel),
    ...fact("incomplete", contract.incomplete.join("; ")),
    "",
    ...(fields === undefined ? [] : cpuLines(fields, all, contract.arch)),
  ]);
}

function templateEffect({ bits }: TemplateField): string {
  if (bits === "0") return "hidden";
  if (bits === "1") return "set";
  if (/^[01]+$/.test(bits)) return numberText(BigInt(`0b${bits}`));
  return bits;
}

export function showTemplate(template: CpuTemplate): string {
  const fields = decodeTemplate(template);
  const named = fields.filter(({ name }) => name !== "reserved");
  const rows = named.map((f) => [f.address, f.name, templateEffect(f), f.title]);
  const hidden = named.filter(({ bits }) => bits === "0").length;
  const reserved = fields.length - named.length;
  return joined([
    heading(`CPU template: ${named.length} fields; hides ${hidden} single bits`),
    ...fact("reserved bits", reserved === 0 ? "" : `${reserved}, not listed`),
    ...fact("KVM capabilities", template.kvmCapabilities.join(" ")),
    ...checkTemplate(template, ALL_LINES).flatMap(({ path, address, message }) =>
      labelled("warning", `${path} (${address}): ${message}`.split(" "), 2, COLUMN),
    ),
    "",
    ...table(["ADDRESS", "NAME", "EFFECT", "MEANING"], rows),
  ]);
}
