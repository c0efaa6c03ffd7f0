/** Any JSON file of ours, of Firecracker's or of QEMU's: recognised by content, never by name. */
import { fail } from "../errors.ts";
import { PROFILE_SCHEMA, type NodeProfile } from "../profile/profile.ts";
import { parseTemplate, TEMPLATE_KEYS } from "../template/parse.ts";
import type { CpuTemplate } from "../template/template.ts";
import {
  isDump,
  isFingerprint,
  readDumpedCpu,
  readFingerprintCpu,
  readFingerprintHeader,
} from "./dump.ts";
import { CONTRACT_SCHEMA, type CpuContract } from "../contract/contract.ts";
import { readContract } from "./contract.ts";
import { estimateProfile } from "../kvm/estimate.ts";
import { DEFAULT_KERNEL } from "../tables/kernels.ts";
import { isQemuModel, readQemuModel } from "./raw/qemu.ts";
import { isVmConfig, readVmConfig } from "./vm-config.ts";
import { readPlan } from "./plan.ts";
import { PLAN_SCHEMA } from "../plan/file.ts";
import type { PlanFile } from "../plan/find-class.ts";
import { isObject, kindOf, type JsonObject } from "../json/problems.ts";
import { readProfileCpu, readProfileHeader } from "./profile.ts";

export type Document =
  /** `template`: what a bare dump is as well, where somebody asks for a template. */
  | { readonly kind: "profile"; readonly profile: NodeProfile; readonly template?: CpuTemplate }
  | { readonly kind: "template"; readonly template: CpuTemplate }
  | { readonly kind: "plan"; readonly plan: PlanFile }
  | { readonly kind: "contract"; readonly contract: CpuContract };

/**
 * Reads a document; `name` is the node's name where the document has none, `kernel` the host kernel
 * that a document without measurements is an estimate for.
 */
export function readDocument(json: unknown, name: string, kernel = DEFAULT_KERNEL): Document {
  if (!isObject(json)) {
    return fail("UNKNOWN_FORMAT", `the top level must be an object, but is ${kindOf(json)}`);
  }
  if ("schema" in json) return readOwn(json, name);
  if (isFingerprint(json)) {
    const facts = { ...readFingerprintHeader(json), cpu: readFingerprintCpu(json) };
    return { kind: "profile", profile: profileWith(name, facts) };
  }
  if (TEMPLATE_KEYS.some((key) => key in json)) {
    const template = parseTemplate(json);
    if (!isDump(template)) return { kind: "template", template };
    const facts = { host: {}, firecracker: [], cpu: readDumpedCpu(json, "") };
    return { kind: "profile", profile: profileWith(name, facts), template };
  }
  if (isQemuModel(json)) {
    return { kind: "profile", profile: estimateProfile(readQemuModel(json), name, kernel) };
  }
  if (isVmConfig(json)) return { kind: "template", template: readVmConfig(json) };
  const keys = Object.keys(json).slice(0, 5).join(", ");
  return fail("UNKNOWN_FORMAT", `unknown format (its keys: ${keys || "none"})`);
}

type Facts = Pick<NodeProfile, "cpu" | "host" | "firecracker">;

function profileWith(name: string, facts: Facts): NodeProfile {
  return { name, provenance: undefined, incomplete: [], estimate: false, ...facts };
}

function readOwn(json: JsonObject, name: string): Document {
  const schema = json["schema"];
  if (schema === PROFILE_SCHEMA) {
    const header = readProfileHeader(json, name);
    return { kind: "profile", profile: { ...header, cpu: readProfileCpu(json) } };
  }
  if (schema === PLAN_SCHEMA) return { kind: "plan", plan: readPlan(json) };
  if (schema === CONTRACT_SCHEMA) return { kind: "contract", contract: readContract(json) };
  const found = typeof schema === "string" ? JSON.stringify(schema) : kindOf(schema);
  return fail(
    "UNKNOWN_FORMAT",
    `unknown schema ${found}; known: ${PROFILE_SCHEMA}, ${PLAN_SCHEMA}, ${CONTRACT_SCHEMA}`,
    "schema",
  );
}

export function readProfile(json: unknown, name: string): NodeProfile {
  return profileOf(readDocument(json, name));
}

export function templateOf(document: Document): CpuTemplate | undefined {
  if (document.kind === "template" || document.kind === "profile") return document.template;
  return undefined;
}

/** The profile that a document is; throws NOT_A_PROFILE. */
export function profileOf(document: Document): NodeProfile {
  if (document.kind === "profile") return document.profile;
  const what = {
    plan: "this is a plan, not a profile",
    contract: "this is a snapshot's contract, not a profile",
    template: "this is a CPU template, not a profile (it has x bits, or lists only some bits)",
  };
  return fail("NOT_A_PROFILE", what[document.kind]);
}
