/** Linting a template on an aarch64 node: registers it lacks, fields it cannot back or write. */
import { fieldAddress, hexNumber } from "../format/address.ts";
import { listOf } from "../format/text.ts";
import { armBuiltInModel } from "../firecracker/built-in.ts";
import { takesCaches } from "../profile/arm/caches.ts";
import type { ArmWriter } from "../profile/arm/takes.ts";
import { changedFields, doubtfulFields, type ChangedField } from "../profile/arm/written.ts";
import type { NodeProfile } from "../profile/profile.ts";
import {
  armRegisterName,
  armReservedMask,
  describesCpu,
  isCacheGeometry,
} from "../tables/arm/lookup.ts";
import { armModelText } from "../tables/arm/models.ts";
import { applyWideBitmap } from "../template/bitmap.ts";
import type { ArmRegisterModifier, CpuTemplate } from "../template/template.ts";
import { armNode, type ArmNode } from "../verdict/arm.ts";
import { found, type LintFinding } from "./finding.ts";

type Place = Pick<LintFinding, "path" | "address" | "name">;

const LEAVE_OUT = "Remove these fields from the template, or this node from the pool.";
const PROBE = "Run evenkeel probe on the node: it tries the write on a vCPU.";

/** Fields that the node could back, and its KVM does not take for certain: one finding per reason. */
function lintWrites(place: Place, changed: readonly ChangedField[], writer: ArmWriter) {
  return doubtfulFields(changed, writer).map(({ answer, why, fields }) => {
    const what = listOf(fields.map(({ name }) => name));
    if (answer === "no") {
      return found("unwritable", "error", place, `${what} cannot be written: ${why}.`, LEAVE_OUT);
    }
    const message = `It is not known whether ${what} can be written: ${why}.`;
    return found("unwritable", "warning", place, message, PROBE);
  });
}

function lintUnbacked({ field, own, wanted }: ChangedField, path: string): LintFinding {
  const place = { path, address: fieldAddress(field), name: field.name };
  const values = `${hexNumber(wanted)} where the node has ${hexNumber(own)}`;
  const message = `${field.name} (${field.title}) becomes ${values}, which KVM refuses.`;
  return field.kind === "identity"
    ? found("unwritable", "error", place, message, "Do not change the model.")
    : found("unbacked", "error", place, message, "Write no more than the node offers.");
}

function lintReserved(place: Place, addr: bigint, own: bigint, shown: bigint): LintFinding[] {
  if (((own ^ shown) & armReservedMask(addr)) === 0n) return [];
  const message = "Bits of unknown meaning change; KVM may refuse the value.";
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
  const changed = changedFields({ id: addr, value: own }, shown, node.writer, "template");
  return [
    ...changed.filter(({ isBacked }) => !isBacked).map((one) => lintUnbacked(one, path)),
    ...lintWrites(
      place,
      changed.filter(({ isBacked }) => isBacked),
      node.writer,
    ),
    ...lintReserved(place, addr, own, shown),
  ];
}

function lintArchitecture(template: CpuTemplate): LintFinding[] {
  if (template.cpuidModifiers.length + template.msrModifiers.length === 0) return [];
  const path = template.cpuidModifiers.length > 0 ? "cpuid_modifiers" : "msr_modifiers";
  const message = "This is a template for x86; Firecracker on aarch64 refuses it.";
  const fix = "Use a template with reg_modifiers.";
  return [found("architecture", "error", { path }, message, fix)];
}

/** A built-in template is made for one CPU model; elsewhere it does nothing, or no microVM starts. */
function lintModel(builtIn: string | undefined, { cpu }: NodeProfile): LintFinding[] {
  const meant = builtIn === undefined ? undefined : armBuiltInModel(builtIn);
  if (meant === undefined) return [];
  const model = armModelText(cpu.registers) ?? "an unnamed CPU";
  if (model.startsWith(`${meant} `)) return [];
  const message = `${builtIn} is Firecracker's template for ${meant}; this node is ${model}.`;
  const place = { address: "MIDR_EL1", name: builtIn ?? "" };
  const fix = "Use no template here, or plan the pool.";
  return [found("static-model", "error", place, message, fix)];
}

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
