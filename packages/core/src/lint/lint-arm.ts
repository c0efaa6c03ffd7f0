/** Linting a template on an aarch64 node: registers it lacks, fields it cannot back or write. */
import { readField } from "../bits.ts";
import { fieldAddress } from "../format/address.ts";
import { takesCaches } from "../profile/arm/caches.ts";
import type { ArmField } from "../tables/field.ts";
import {
  armFields,
  armRegisterName,
  armReservedMask,
  describesCpu,
  isCacheGeometry,
} from "../tables/arm/lookup.ts";
import { armModelText } from "../tables/arm/models.ts";
import { takes, whyNotTaken, type Answer } from "../profile/arm/takes.ts";
import { honours } from "../tables/merge-rules.ts";
import { armNode, type ArmNode } from "../verdict/arm.ts";
import { armBuiltInModel } from "../firecracker/static-arm.ts";
import { applyWideBitmap } from "../template/bitmap.ts";
import type { ArmRegisterModifier, CpuTemplate } from "../template/template.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { hexNumber } from "../format/address.ts";
import { listOf } from "../format/text.ts";
import type { LintFinding, LintRuleId, LintSeverity } from "./finding.ts";

interface Place {
  readonly path: string;
  readonly address: string;
  readonly name: string;
}

/** A field that a template changes. */
interface Changed {
  readonly field: ArmField;
  readonly own: bigint;
  readonly shown: bigint;
}

function found(
  rule: LintRuleId,
  severity: LintSeverity,
  place: Place,
  message: string,
  fix: string,
): LintFinding {
  return { rule, severity, ...place, message, fix };
}

const LEAVE_OUT = "Remove these fields from the template, or this node from the pool.";

/** Fields that the node could back, and its KVM does not take for certain: one finding per reason. */
function lintWrites(place: Place, changed: readonly Changed[], { writer }: ArmNode): LintFinding[] {
  const groups = new Map<string, { answer: Answer; why: string; names: string[] }>();
  for (const { field, own, shown } of changed) {
    const answer = takes(field, own, shown, writer, "template");
    if (answer === "yes") continue;
    const why = whyNotTaken(field, writer);
    const group = groups.get(`${answer} ${why}`);
    if (group === undefined) groups.set(`${answer} ${why}`, { answer, why, names: [field.name] });
    else group.names.push(field.name);
  }
  return [...groups.values()].map(({ answer, why, names }) => {
    const what = listOf(names);
    return answer === "no"
      ? found("unwritable", "error", place, `${what} cannot be written: ${why}.`, LEAVE_OUT)
      : found(
          "unwritable",
          "warning",
          place,
          `It is not known whether ${what} can be written: ${why}.`,
          "Probe the node: evenkeel probe tries it on a vCPU.",
        );
  });
}

function lintUnbacked({ field, own, shown }: Changed, path: string): LintFinding {
  const place = { path, address: fieldAddress(field), name: field.name };
  const isIdentity = field.kind === "identity";
  const values = `${hexNumber(shown)} where the node has ${hexNumber(own)}`;
  return found(
    isIdentity ? "unwritable" : "unbacked",
    "error",
    place,
    `${field.name} (${field.title}) becomes ${values}; KVM refuses the register.`,
    isIdentity ? "Leave the model as it is." : "Write no more than the node offers.",
  );
}

function lintReserved(place: Place, addr: bigint, own: bigint, shown: bigint): LintFinding[] {
  if (((own ^ shown) & armReservedMask(addr)) === 0n) return [];
  const message = "Bits of unknown meaning change; KVM may refuse the register.";
  return [found("unwritable", "warning", place, message, "Leave these bits as x.")];
}

function lintCaches(place: Place, addr: bigint, shown: bigint, node: ArmNode): LintFinding[] {
  const answer = takesCaches(addr, shown, node.registers, node.writer);
  if (answer === "yes") return [];
  const severity = answer === "no" ? "error" : "warning";
  const message = `KVM ${answer === "no" ? "refuses" : "may refuse"} this cache geometry.`;
  return [found("unwritable", severity, place, message, "Leave this register out.")];
}

function lintRegister(modifier: ArmRegisterModifier, path: string, node: ArmNode): LintFinding[] {
  const { addr } = modifier;
  const own = node.registers.get(addr);
  const name = armRegisterName(addr);
  const place = { path, address: name, name };
  if (own === undefined) {
    const message = `${name} does not exist in this node's KVM: no microVM starts.`;
    const fix = "Leave this register out of the template for this class of nodes.";
    return [found("missing-entry", "error", place, message, fix)];
  }
  const shown = applyWideBitmap(own, modifier);
  if (isCacheGeometry(addr)) {
    return shown === own ? [] : lintCaches(place, addr, shown, node);
  }
  if (!describesCpu(addr)) {
    const message = `${name} is vCPU state: the guest's kernel sets it itself.`;
    const fix = "Leave this register out of the template.";
    return [found("overwritten", "warning", place, message, fix)];
  }
  const changed = armFields(addr)
    .map((field): Changed => ({
      field,
      own: readField(own, field),
      shown: readField(shown, field),
    }))
    .filter((c) => c.own !== c.shown);
  const isBacked = (c: Changed) => honours(c.own, c.shown, c.field);
  return [
    ...changed.filter((c) => !isBacked(c)).map((c) => lintUnbacked(c, path)),
    ...lintWrites(place, changed.filter(isBacked), node),
    ...lintReserved(place, addr, own, shown),
  ];
}

function lintArchitecture(template: CpuTemplate): LintFinding[] {
  if (template.cpuidModifiers.length + template.msrModifiers.length === 0) return [];
  const path = template.cpuidModifiers.length > 0 ? "cpuid_modifiers" : "msr_modifiers";
  const message = "This is a template for x86; Firecracker on aarch64 refuses it.";
  const fix = "Use a template with reg_modifiers.";
  return [found("architecture", "error", { path, address: "", name: "" }, message, fix)];
}

/** A built-in template is made for one CPU model; elsewhere it does nothing, or no microVM starts. */
function lintModel(builtIn: string | undefined, { cpu }: NodeProfile): LintFinding[] {
  const meant = builtIn === undefined ? undefined : armBuiltInModel(builtIn);
  if (meant === undefined) return [];
  const model = armModelText(cpu.registers) ?? "an unnamed CPU";
  if (model.startsWith(`${meant} `)) return [];
  const message = `${builtIn} is Firecracker's template for ${meant}; this node is ${model}.`;
  const place = { path: "", address: "MIDR_EL1", name: builtIn ?? "" };
  return [
    found("static-model", "error", place, message, "Use no template here, or plan the pool."),
  ];
}

/** `builtIn`: the name of the built-in template it is, if it is one. */
export function lintArmTemplate(
  template: CpuTemplate,
  profile: NodeProfile,
  builtIn?: string,
): LintFinding[] {
  const node = armNode(profile);
  return [
    ...lintArchitecture(template),
    ...lintModel(builtIn, profile),
    ...template.regModifiers.flatMap((modifier, i) =>
      lintRegister(modifier, `reg_modifiers[${i}]`, node),
    ),
  ];
}
