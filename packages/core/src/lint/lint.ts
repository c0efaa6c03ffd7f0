/** Is this template right for this node and these Firecracker releases? */
import { entryKey, indexEntries, type CpuidMap } from "../cpuid.ts";
import { checkTemplate } from "../firecracker/check-template.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import { isAcceptedOn, type StaticTemplate } from "../firecracker/static-templates.ts";
import { compareLines, formatLines } from "../firecracker/versions.ts";
import { leafAddress, msrAddress } from "../format/address.ts";
import { listOf } from "../format/text.ts";
import { decode, type DecodedField } from "../inspect/decode.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { compareModels, titlesOf } from "../tables/bugs.ts";
import { STATE_COMPONENTS } from "../tables/cpuid/xsave.ts";
import { isBacked } from "../tables/backing.ts";
import type { CpuidField, MsrField, Vendor } from "../tables/field.ts";
import { fieldByName } from "../tables/lookup.ts";
import { decodeSignature, formatFms } from "../tables/models.ts";
import { vendorOf } from "../tables/vendors.ts";
import type { CpuTemplate } from "../template/template.ts";
import type { LintFinding, LintRuleId, LintSeverity } from "./finding.ts";
import { lintArmTemplate } from "./lint-arm.ts";
import { lintKvm } from "./lint-kvm.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";

export interface Linted {
  readonly template: CpuTemplate;
  /** The built-in template it is, if it is one. */
  readonly builtIn: StaticTemplate | undefined;
  /** The name of the built-in template for aarch64 it is, if it is one. */
  readonly armBuiltIn?: string | undefined;
}

/** Registers and vCPU features, which Firecracker on x86 does not take. */
function lintForeign({ regModifiers, vcpuFeatures }: CpuTemplate): LintFinding[] {
  if (regModifiers.length + vcpuFeatures.length === 0) return [];
  const path = regModifiers.length > 0 ? "reg_modifiers" : "vcpu_features";
  const message = "This is a template for aarch64; Firecracker on x86 refuses it.";
  return [found("architecture", "error", { path }, message, "Use a template for x86.")];
}

function found(
  rule: LintRuleId,
  severity: LintSeverity,
  place: { path?: string; address?: string; name?: string },
  message: string,
  fix: string,
): LintFinding {
  const { path = "", address = "", name = "" } = place;
  return { rule, severity, path, address, name, message, fix };
}

function lintMissing(view: GuestView, template: CpuTemplate): LintFinding[] {
  return view.missing.map((missing) => {
    const isMsr = missing.kind === "msr";
    const index = isMsr
      ? template.msrModifiers.findIndex(({ addr }) => addr === missing.addr)
      : template.cpuidModifiers.findIndex(
          ({ leaf, subleaf }) => leaf === missing.leaf && subleaf === missing.subleaf,
        );
    const path = `${isMsr ? "msr" : "cpuid"}_modifiers[${index}]`;
    const address = isMsr ? msrAddress(missing.addr) : leafAddress(missing.leaf, missing.subleaf);
    const what = isMsr
      ? `Template changes an MSR entry not supported by KVM: ${address}`
      : `Template changes a CPUID entry not supported by KVM: ${address}`;
    const fix = "Leave this entry out of the template for this class of nodes.";
    return found("missing-entry", "error", { path, address }, `${what}: no microVM starts.`, fix);
  });
}

function lintLanguage(
  template: CpuTemplate,
  vendor: Vendor,
  lines: readonly string[],
): LintFinding[] {
  return checkTemplate(template, lines, vendor).map(({ path, address, message, harmful }) => {
    const isFlags = path.endsWith(".flags");
    const fix = isFlags ? "Use KVM's own flags for this leaf." : "Leave these bits as x.";
    const rule = isFlags ? "flags" : "overwritten";
    return found(rule, harmful ? "error" : "warning", { path, address }, `${message}.`, fix);
  });
}

type Fields = ReadonlyMap<string, DecodedField>;

function isSet(fields: Fields, name: string): boolean {
  return (fields.get(name)?.value ?? 0n) !== 0n;
}

function unbackedEffect({ kind, loss }: CpuidField | MsrField): string {
  if (kind === "remedy") return "guests rely on a mitigation that does nothing here";
  if (loss === "insecure") return "guests leave a mitigation off, or rely on one that is not there";
  return loss === "slower" ? "what uses it is slow" : "what uses it will fault";
}

/** Bits that are 1 for the guest and 0 on the node, and the other way round. */
function lintBits(guest: Fields, node: Fields): LintFinding[] {
  const findings: LintFinding[] = [];
  for (const [name, field] of guest) {
    const offered = isSet(node, name);
    const place = { address: field.address, name };
    const row = fieldByName(name);
    if (row === undefined) continue;
    const { of, backedBy, loss } = row;
    const has = (other: string) => isSet(node, other);
    const backed = offered || isBacked(backedBy, has);
    if (isPromise(field.kind) && field.value !== 0n && !backed && loss !== "none") {
      const message = `${name} is set, but the node does not have it: ${unbackedEffect(row)}.`;
      findings.push(found("unbacked", "error", place, message, "Write x or 0 instead of 1."));
    }
    const told = field.value !== 0n && (of === undefined || isSet(guest, of));
    const matters = loss !== "none" && !isBacked(backedBy, has);
    if (isAnnouncement(field.kind) && !told && offered && matters) {
      const message = `${name} (${field.title}) is hidden: guests leave a mitigation off.`;
      findings.push(
        found("hidden-weakness", "error", place, message, "Write x or 1 instead of 0."),
      );
    }
  }
  return findings;
}

function lintDependencies(guest: Fields, node: Fields): LintFinding[] {
  const findings: LintFinding[] = [];
  for (const [name, { kind, value, address }] of guest) {
    if (kind !== "feature" || value === 0n) continue;
    const requires = fieldByName(name)?.requires ?? [];
    const missing = requires.filter((needed) => !isSet(guest, needed) && isSet(node, needed));
    if (missing.length === 0) continue;
    const message = `${name} is shown without ${missing.join(", ")}, which it needs.`;
    const fix = `Hide ${name} as well.`;
    findings.push(found("dependency", "warning", { address, name }, message, fix));
  }
  return findings;
}

/** Bytes of the standard-format area that the guest's user components need. */
function neededSize(guest: Fields): bigint {
  const ends = STATE_COMPONENTS.filter((c) => c.in === "xcr0" && isSet(guest, c.name)).map(
    ({ name }) =>
      (guest.get(`${name}_OFFSET`)?.value ?? 0n) + (guest.get(`${name}_SIZE`)?.value ?? 0n),
  );
  return ends.reduce((max, end) => (end > max ? end : max), 576n);
}

function lintXsaveSize(guest: Fields): LintFinding[] {
  const size = guest.get("XSAVE_SIZE_MAX");
  const needed = neededSize(guest);
  if (size === undefined || size.value === 0n || size.value === needed) return [];
  const place = { address: size.address, name: size.name };
  const message = `The area is given as ${size.value} bytes, the components need ${needed}.`;
  const fix = `Write ${needed} into the register.`;
  const severity = size.value < needed ? "error" : "warning";
  return [found("xsave-size", severity, place, message, fix)];
}

interface Shown {
  readonly cpuid: CpuidMap;
  readonly fields: Fields;
}

function lintIdentity(guest: Shown, node: Shown, vendor: Vendor): LintFinding[] {
  const signature = ({ cpuid }: Shown) => decodeSignature(cpuid.get(entryKey(1, 0))?.eax ?? 0);
  const [shown, own] = [signature(guest), signature(node)];
  const hasIn =
    ({ fields }: Shown) =>
    (name: string) =>
      isSet(fields, name);
  const { kind, lacking } = compareModels(vendor, shown, own, hasIn(guest), hasIn(node));
  if (kind === "same") return [];
  const place = { address: "CPUID.01H:EAX", name: "family/model/stepping" };
  const older = `Guests see model ${formatFms(shown)}, older than the node's ${formatFms(own)}`;
  if (kind !== "older") {
    const message =
      `Guests see model ${formatFms(shown)}, not known to be older than ${formatFms(own)}: ` +
      "their kernels may leave mitigations off.";
    return [found("identity", "error", place, message, "Show the oldest model of the pool.")];
  }
  if (lacking.length > 0) {
    const what = listOf(titlesOf(lacking));
    const message = `${older}: on that model their kernels do not mitigate ${what}.`;
    return [found("identity", "error", place, message, "Plan the pool; or leave the model as is.")];
  }
  return [found("identity", "note", place, `${older}.`, "Fine where it is meant.")];
}

function lintBuiltIn({ builtIn }: Linted, node: CpuidMap, lines: readonly string[]): LintFinding[] {
  if (builtIn === undefined) return [];
  const { name } = builtIn;
  const gone = found(
    "deprecated",
    "note",
    { name },
    `${name} is deprecated since Firecracker 1.5 and will be removed in 2.0.`,
    "Plan the pool and use its custom templates.",
  );
  const signature = decodeSignature(node.get(entryKey(1, 0))?.eax ?? 0);
  if (isAcceptedOn(builtIn, signature)) return [gone];
  const refusing = lines.filter((line) => compareLines(line, "1.12") >= 0);
  const fix = "Use a custom template; the plan of the pool has one.";
  const model = formatFms(signature);
  const models = builtIn.models.map(formatFms).join(", ");
  const message =
    refusing.length > 0
      ? `Firecracker ${formatLines(refusing)} refuses ${name} on model ${model} (it takes ${models}).`
      : `${name} is not meant for model ${model}; Firecracker refuses it from 1.12 on.`;
  const severity = refusing.length > 0 ? "error" : "warning";
  return [found("static-model", severity, { name }, message, fix), gone];
}

function lintFacts({ estimate, incomplete }: NodeProfile): LintFinding[] {
  const why = [...(estimate ? ["it is an estimate, not a measurement"] : []), ...incomplete];
  if (why.length === 0) return [];
  const message = `The node may be otherwise than its profile says: ${why.join("; ")}.`;
  const fix = "Lint again with the node's own fingerprint.";
  return [found("unmeasured", "warning", {}, message, fix)];
}

/** Lints a template on one node, for these release lines. Undefined: nothing known of its vendor. */
export function lintTemplate(
  linted: Linted,
  profile: NodeProfile,
  lines: readonly string[],
): LintFinding[] | undefined {
  const { cpu } = profile;
  if (cpu.arch === "aarch64") {
    return [
      ...lintKvm(linted.template, profile),
      ...lintArmTemplate(linted.template, profile, linted.armBuiltIn),
      ...lintFacts(profile),
    ];
  }
  const offered = indexEntries(cpu.cpuid);
  const leaf0 = offered.get(entryKey(0, 0));
  const vendor = leaf0 === undefined ? undefined : vendorOf(leaf0);
  const newest = lines.toSorted(compareLines).at(-1);
  if (vendor === undefined || newest === undefined) return undefined;
  const { template } = linted;
  const bare = simulate(cpu, vendor, newest);
  const view = simulate(cpu, vendor, newest, template);
  const fieldsOf = ({ cpuid, msrs }: GuestView): Fields =>
    new Map(decode({ vendor, cpuid, msrs }, true).map((field) => [field.name, field]));
  const [guest, node] = [fieldsOf(view), fieldsOf(bare)];
  return [
    ...lintKvm(template, profile),
    ...lintForeign(template),
    ...lintMissing(view, template),
    ...lintBuiltIn(linted, offered, lines),
    ...lintLanguage(template, vendor, lines),
    ...lintBits(guest, node),
    ...lintDependencies(guest, node),
    ...lintXsaveSize(guest),
    ...lintIdentity(
      { cpuid: view.cpuid, fields: guest },
      { cpuid: bare.cpuid, fields: node },
      vendor,
    ),
    ...lintFacts(profile),
  ];
}
