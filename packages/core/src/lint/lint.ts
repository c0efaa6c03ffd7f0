/** Is this template right for this node and these Firecracker releases? */
import { entryKey, indexEntries, type CpuidMap } from "../cpuid.ts";
import { checkTemplate } from "../firecracker/check-template.ts";
import { unlikeLines } from "../firecracker/normalization.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import { isAcceptedOn, isRefusedOn, type StaticTemplate } from "../firecracker/static-templates.ts";
import { firstLineThat, formatLines } from "../tables/releases.ts";
import { listOf } from "../format/text.ts";
import type { NodeProfile, OfferedCpu } from "../profile/profile.ts";
import { compareModels, nameModel } from "../tables/compare-models.ts";
import { titlesOf } from "../tables/bugs.ts";
import type { CpuType } from "../tables/field.ts";
import { decodeSignature, formatFms } from "../tables/models.ts";
import { cpuTypeOf } from "../tables/vendors.ts";
import { missingAddress } from "../template/apply.ts";
import type { CpuTemplate, CpuidModifier } from "../template/template.ts";
import { found, type LintFinding, type LintSeverity } from "./finding.ts";
import { lintArmTemplate } from "./lint-arm.ts";
import { lintBits, lintXsaveSize } from "./lint-bits.ts";
import { hasField, type CpuState } from "../profile/state.ts";
import { lackingCapabilities, neededCapabilities } from "../firecracker/capabilities.ts";
import { templateDoubt } from "../profile/kvm-facts.ts";

function lintEnforcement(profile: NodeProfile): LintFinding[] {
  const doubt = templateDoubt(profile);
  if (doubt === undefined) return [];
  const message = `Templates may have no effect on ${profile.name}: ${doubt}.`;
  const fix = "Do not run microVMs whose snapshots must move on this node.";
  return [found("unenforced", "error", {}, message, fix)];
}

function lintCapabilities(template: CpuTemplate, { kvm, cpu }: NodeProfile): LintFinding[] {
  if (kvm === undefined) return [];
  const needed = neededCapabilities(cpu.arch, template.kvmCapabilities);
  const missing = lackingCapabilities(needed, kvm.capabilities);
  const fix = "Use a host kernel that has it, or remove it from the template's `kvm_capabilities`.";
  return missing.map(({ name }) => {
    const message = `This node's KVM lacks ${name}: no microVM starts.`;
    return found("kvm-capability", "error", { path: "kvm_capabilities", name }, message, fix);
  });
}

function lintKvm(template: CpuTemplate, profile: NodeProfile): LintFinding[] {
  return [...lintEnforcement(profile), ...lintCapabilities(template, profile)];
}

export interface Linted {
  readonly template: CpuTemplate;
  readonly builtIn: StaticTemplate | undefined;
  readonly armBuiltIn?: string | undefined;
}

/** Registers and vCPU features, which Firecracker on x86 does not take. */
function lintForeign({ regModifiers, vcpuFeatures }: CpuTemplate): LintFinding[] {
  if (regModifiers.length + vcpuFeatures.length === 0) return [];
  const path = regModifiers.length > 0 ? "reg_modifiers" : "vcpu_features";
  const message = "This is a template for aarch64; Firecracker on x86 refuses it.";
  return [found("architecture", "error", { path }, message, "Use a template for x86.")];
}

function lintMissing({ missing }: GuestView, template: CpuTemplate): LintFinding[] {
  const fix = "Leave this entry out of the template for this class of nodes.";
  const say = (list: string, index: number, what: string, address: string) => {
    const path = `${list}[${index}]`;
    const message = `Template changes ${what} not supported by KVM: ${address}: no microVM starts.`;
    return found("missing-entry", "error", { path, address }, message, fix);
  };
  return missing.flatMap((entry): LintFinding[] => {
    const address = missingAddress(entry);
    if (entry.kind === "cpuid") {
      const isMeant = (m: CpuidModifier) => m.leaf === entry.leaf && m.subleaf === entry.subleaf;
      const index = template.cpuidModifiers.findIndex(isMeant);
      return [say("cpuid_modifiers", index, "a CPUID entry", address)];
    }
    // Registers of aarch64 are another finding's.
    const index = template.msrModifiers.findIndex(({ addr }) => addr === entry.id);
    return index === -1 ? [] : [say("msr_modifiers", index, "an MSR entry", address)];
  });
}

function lintLanguage(
  template: CpuTemplate,
  type: CpuType,
  lines: readonly string[],
  node: CpuidMap,
): LintFinding[] {
  return checkTemplate(template, lines, type, node).map(({ path, address, message, harmful }) => {
    const isFlags = path.endsWith(".flags");
    const fix = isFlags ? "Use KVM's own flags for this leaf." : "Leave these bits as x.";
    const rule = isFlags ? "flags" : "overwritten";
    return found(rule, harmful ? "error" : "warning", { path, address }, `${message}.`, fix);
  });
}

function lintIdentity(guest: CpuState, node: CpuState): LintFinding[] {
  const model = ({ type, cpuid }: CpuState) =>
    nameModel(type, decodeSignature(cpuid.get(entryKey(1, 0))?.eax ?? 0));
  const [shown, own] = [model(guest), model(node)];
  const hasIn = (cpu: CpuState) => (name: string) => hasField(cpu, name);
  const { kind, lacking } = compareModels(shown, own, hasIn(guest), hasIn(node));
  if (kind === "same") return [];
  const place = { address: "CPUID.01H:EAX", name: "family/model/stepping" };
  const say = (severity: LintSeverity, message: string, fix: string) => [
    found("identity", severity, place, message, fix),
  ];
  if (kind !== "older") {
    const message =
      `Guests see model ${shown.fms}, which is not known to be older than ${own.fms}: ` +
      "their kernels may leave mitigations off.";
    return say("error", message, "Show the oldest model of the pool.");
  }
  const older = `Guests see model ${shown.fms}, older than the node's ${own.fms}`;
  if (lacking.length === 0) return say("note", `${older}.`, "Expected if intentional.");
  const what = listOf(titlesOf(lacking));
  const message = `${older}: on that model their kernels do not mitigate ${what}.`;
  return say("error", message, "Show a model on which kernels mitigate it, or the node's own.");
}

function lintBuiltIn({ builtIn }: Linted, node: CpuidMap, lines: readonly string[]): LintFinding[] {
  if (builtIn === undefined) return [];
  const { name } = builtIn;
  const goes = `${name} has been deprecated since Firecracker 1.5 and will be removed in 2.0.`;
  const gone = found(
    "deprecated",
    "note",
    { name },
    goes,
    "Use a custom template, for example from a plan.",
  );
  const signature = decodeSignature(node.get(entryKey(1, 0))?.eax ?? 0);
  if (isAcceptedOn(builtIn, signature)) return [gone];
  const refusing = lines.filter((line) => isRefusedOn(builtIn, signature, line));
  const fix = "Use a custom template, for example from the pool's plan.";
  const model = formatFms(signature);
  const models = builtIn.models.map(formatFms).join(", ");
  const message =
    refusing.length > 0
      ? `Firecracker ${formatLines(refusing)} refuses ${name} on model ${model} (it accepts ${models}).`
      : `${name} is not meant for model ${model}; Firecracker refuses it from ${firstLineThat("checks-models")} on.`;
  const severity = refusing.length > 0 ? "error" : "warning";
  return [found("static-model", severity, { name }, message, fix), gone];
}

function lintFacts({ estimate, incomplete }: NodeProfile): LintFinding[] {
  const why = [...(estimate ? ["it is an estimate, not a measurement"] : []), ...incomplete];
  if (why.length === 0) return [];
  const message = `The node may differ from its profile: ${why.join("; ")}.`;
  const fix = "Lint again with the node's own fingerprint.";
  return [found("unmeasured", "warning", {}, message, fix)];
}

function lintView(template: CpuTemplate, cpu: OfferedCpu, type: CpuType, line: string) {
  const node = { type, ...simulate(cpu, type, line) };
  const guest = { type, ...simulate(cpu, type, line, template) };
  return [
    ...lintMissing(guest, template),
    ...lintBits(guest, node),
    ...lintXsaveSize(guest),
    ...lintIdentity(guest, node),
  ];
}

function onlyOnce(findings: readonly LintFinding[]): LintFinding[] {
  const key = ({ rule, path, address, name }: LintFinding) =>
    [rule, path, address, name].join("\n");
  return [...new Map(findings.map((finding) => [key(finding), finding])).values()];
}

type Lint = (
  linted: Linted,
  profile: NodeProfile,
  lines: readonly string[],
  type: CpuType,
) => LintFinding[];

const lintX86: Lint = (linted, { cpu }, lines, type) => {
  const { template } = linted;
  const offered = indexEntries(cpu.cpuid);
  return [
    ...lintForeign(template),
    ...lintBuiltIn(linted, offered, lines),
    ...lintLanguage(template, type, lines, offered),
    ...onlyOnce(unlikeLines(type, lines).flatMap((line) => lintView(template, cpu, type, line))),
  ];
};

const LINTS: Readonly<Record<CpuType, Lint>> = {
  intel: lintX86,
  amd: lintX86,
  aarch64: ({ template, armBuiltIn }, profile) => lintArmTemplate(template, profile, armBuiltIn),
};

/** Lints a template on one node for these lines; undefined: nothing is known of its vendor. */
export function lintTemplate(
  linted: Linted,
  profile: NodeProfile,
  lines: readonly string[],
): LintFinding[] | undefined {
  const type = cpuTypeOf(profile.cpu);
  if (type === undefined || lines.length === 0) return undefined;
  return [
    ...lintKvm(linted.template, profile),
    ...LINTS[type](linted, profile, lines, type),
    ...lintFacts(profile),
  ];
}
